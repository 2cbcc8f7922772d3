// The Vercel AI SDK through the gateway: every client format × every upstream format × every scene, one JSON line each.
//
//   node pairs.mjs http://127.0.0.1:PORT KEY     →   {"client", "upstream", "scene", "error": null or a text}
//
// The prompts are those of tests/live/strict/scenarios.py; what a tool answers is the one of its `key_after`.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai'
import { z } from 'zod'

const [root, apiKey, picture] = process.argv.slice(2)
const FORMATS = ['openai-chat', 'openai-responses', 'anthropic', 'gemini']
const openai = createOpenAI({ baseURL: `${root}/v1`, apiKey })
const CLIENTS = {
  'openai-chat': (model) => openai.chat(model),
  'openai-responses': (model) => openai.responses(model),
  anthropic: createAnthropic({ baseURL: `${root}/v1`, apiKey }),
  gemini: createGoogleGenerativeAI({ baseURL: `${root}/v1beta`, apiKey }),
}
const THINKING = {
  openai: { reasoningEffort: 'medium', reasoningSummary: 'auto', forceReasoning: true, store: false },
  anthropic: { thinking: { type: 'enabled', budgetTokens: 2048 } },
  google: { thinkingConfig: { includeThoughts: true, thinkingLevel: 'high' } },
}
const Person = z.object({
  name: z.string(),
  age: z.number().int(),
  admin: z.boolean(),
  addresses: z.array(z.object({ street: z.string(), zip: z.number().int() })),
})
const STEPS = 10
const keyAfter = (key) => createHash('sha256').update(key).digest('hex').slice(0, 12)
const lastKey = Array.from({ length: STEPS }).reduce((key) => keyAfter(key), 'start')
const nextKey = tool({
  description: 'Gives the key behind a key.',
  inputSchema: z.object({ key: z.string(), nth: z.number(), note: z.string() }),
  execute: async ({ key }) => keyAfter(key),
})
const weather = tool({
  description: 'Tells the weather of a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `fine in ${city}`,
})

// A stream's errors come as parts of it; the SDK prints them too unless it is told not to.
async function streamed(asked) {
  const reply = streamText({ ...asked, onError: () => {} })
  for await (const part of reply.fullStream) if (part.type === 'error') throw part.error
  return { text: await reply.text, steps: await reply.steps, usage: await reply.usage,
    finishReason: await reply.finishReason }
}

function loop(speak, providerOptions) {
  return async (model) => {
    const prompt = `Find the last key. [[steps ${STEPS}]]`
    const tools = { next_key: nextKey, weather }
    const said = await speak({ model, prompt, tools, stopWhen: stepCountIs(STEPS + 2), maxRetries: 0, providerOptions })
    assert.equal(said.text, `The last key is ${lastKey}`)
    assert.equal(said.steps.length, STEPS + 1)
  }
}

const SCENES = {
  text: async (model) => {
    const said = await generateText({ model, system: 'Be brief.', prompt: 'Hello, wörld', maxRetries: 0 })
    assert.equal(said.text, 'I heard “Hello, wörld” and was told “Be brief.” 🦜')
    assert.equal(said.finishReason, 'stop')
    assert.deepEqual([said.usage.inputTokens, said.usage.outputTokens], [120, 30])
  },
  'streamed text': async (model) => {
    const said = await streamed({ model, system: 'Be brief.', prompt: 'Hello, wörld', maxRetries: 0 })
    assert.equal(said.text, 'I heard “Hello, wörld” and was told “Be brief.” 🦜')
    assert.equal(said.finishReason, 'stop')
    assert.deepEqual([said.usage.inputTokens, said.usage.outputTokens], [120, 30])
  },
  vision: async (model) => {
    const image = Buffer.from(picture, 'base64')
    const content = [{ type: 'text', text: 'What is this? [[see]]' }, { type: 'image', image, mediaType: 'image/png' }]
    const said = await generateText({ model, messages: [{ role: 'user', content }], maxRetries: 0 })
    assert.equal(said.text, 'I see ' + createHash('sha256').update(image).digest('hex').slice(0, 16))
  },
  'tool loop': loop(generateText),
  'streamed tool loop': loop(streamed),
  'parallel tools': async (model) => {
    const prompt = 'How is the weather? [[parallel]]'
    const said = await streamed({ model, prompt, tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0 })
    assert.equal(said.text, ['Paris', 'São Paulo', '東京'].map((city) => `${city}: fine in ${city}`).join('; '))
  },
  'thinking loop': loop(generateText, THINKING),
  'streamed thinking loop': loop(streamed, THINKING),
  object: async (model) => {
    const said = await generateObject({ model, schema: Person, prompt: 'Who is it? [[json]]', maxRetries: 0 })
    assert.deepEqual(said.object.addresses, [{ street: 'naïve “text”', zip: 42 }])
  },
  'streamed object': async (model) => {
    const said = streamObject({ model, schema: Person, prompt: 'Who is it? [[json]]', maxRetries: 0, onError: () => {} })
    for await (const part of said.fullStream) if (part.type === 'error') throw part.error
    assert.deepEqual((await said.object).addresses, [{ street: 'naïve “text”', zip: 42 }])
  },
  'rate limit': async (model) => {
    const failed = await generateText({ model, prompt: 'Hello [[fail rate]]', maxRetries: 0 }).catch((error) => error)
    assert.deepEqual([failed.name, failed.statusCode, failed.isRetryable], ['AI_APICallError', 429, true])
    assert.match(failed.message, /too many requests/)
  },
  'error in a stream': async (model) => {
    await assert.rejects(streamed({ model, prompt: 'Hello [[break]]', maxRetries: 0 }))
  },
}

globalThis.AI_SDK_LOG_WARNINGS = false
for (const client of FORMATS) {
  for (const upstream of FORMATS) {
    for (const [scene, play] of Object.entries(SCENES)) {
      let error = null
      await play(CLIENTS[client](`on-${upstream}`)).catch((thrown) => {
        error = `${thrown.name}: ${thrown.message} ${thrown.responseBody ?? ''}`.slice(0, 600)
      })
      console.log(JSON.stringify({ client, upstream, scene, error }))
    }
  }
}
process.exit(0)
