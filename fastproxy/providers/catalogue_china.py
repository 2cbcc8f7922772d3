"""Vendors in China that are OpenAI-compatible; a base URL of their houses abroad is the operator's to name.

They have the unified entry only. Data only; see provider.py for what the fields mean.
"""

from __future__ import annotations

from typing import Final

from fastproxy.providers.provider import CHAT, OPENAI, Provider

CHINA: Final = (
    Provider("ai360", base_url="https://ai.360.cn/v1", formats=CHAT),
    Provider(
        "ali", base_url="https://dashscope.aliyuncs.com/compatible-mode/v1", formats=OPENAI, env=("DASHSCOPE_API_KEY",)
    ),
    Provider("antling", base_url="https://api.tbox.cn/api/llm/v1", formats=CHAT),
    Provider("baichuan", base_url="https://api.baichuan-ai.com/v1", formats=CHAT, env=("BAICHUAN_API_KEY",)),
    Provider(
        "doubao",
        base_url="https://ark.cn-beijing.volces.com/api/v3",
        formats=OPENAI,
        env=("ARK_API_KEY", "VOLCENGINE_API_KEY"),
    ),
    Provider("lingyiwanwu", base_url="https://api.lingyiwanwu.com/v1", formats=CHAT, env=("LINGYIWANWU_API_KEY",)),
    Provider("minimax", base_url="https://api.minimaxi.com/v1", formats=CHAT, env=("MINIMAX_API_KEY",)),
    Provider("moonshot", base_url="https://api.moonshot.cn/v1", formats=CHAT, env=("MOONSHOT_API_KEY",)),
    # a v2 key of Qianfan is a bearer token; the older pair of ak and sk is not taken
    Provider("qianfan", base_url="https://qianfan.baidubce.com/v2", formats=OPENAI, env=("QIANFAN_API_KEY",)),
    # runs in its owner's house
    Provider("sangfor", formats=CHAT),
    Provider("siliconflow", base_url="https://api.siliconflow.cn/v1", formats=CHAT, env=("SILICONFLOW_API_KEY",)),
    Provider(
        "stepfun",
        base_url="https://api.stepfun.com/v1",
        formats=CHAT,
        env=("STEPFUN_API_KEY", "STEP_API_KEY"),
    ),
    Provider(
        "streamlake",
        base_url="https://wanqing.streamlakeapi.com/api/gateway/v1/endpoints",
        formats=CHAT,
        env=("STREAMLAKE_API_KEY",),
    ),
    Provider("tencent", base_url="https://api.hunyuan.cloud.tencent.com/v1", formats=CHAT, env=("HUNYUAN_API_KEY",)),
    # the key is the app's password
    Provider("xunfei", base_url="https://spark-api-open.xf-yun.com/v1", formats=CHAT),
    Provider(
        "zhipu",
        base_url="https://open.bigmodel.cn/api/paas/v4",
        formats=CHAT,
        env=("ZHIPUAI_API_KEY", "ZHIPU_API_KEY"),
    ),
    # the same key as zhipu's, other prices: named in the configuration, never made from a variable
    Provider("zhipu-coding", base_url="https://open.bigmodel.cn/api/coding/paas/v4", formats=CHAT),
)
