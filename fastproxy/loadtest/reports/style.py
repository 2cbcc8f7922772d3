"""The look of the HTML report: one style sheet, light and dark, screen and paper.

The six series colours are Okabe and Ito's, told apart with every common colour blindness; the first two also differ in
brightness. Nothing is fetched: system fonts, no images, no script.
"""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;
--page:#fbfbfa;--card:#fff;--ink:#1c1e21;--soft:#666c74;--rule:#e6e7e9;--grid:#eeeff1;--bad:#b3261e;--badpage:#fdf1f0;
--good:#1d6f42;--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#cc79a7;--s4:#56b4e9;--s5:#b58900}
@media (prefers-color-scheme:dark){:root{
--page:#131518;--card:#1a1d21;--ink:#e8eaed;--soft:#9aa1a9;--rule:#2c3036;--grid:#24282d;--bad:#ff8a80;--badpage:#2b1a1a;
--good:#7bd3a2;--s0:#56b4e9;--s1:#f0a04b;--s2:#3cc9a0;--s3:#e09cc2;--s4:#8ab4f8;--s5:#f0e442}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:1180px;margin:0 auto;padding:40px 24px 64px}
h1{margin:0;font-size:24px;font-weight:600;line-height:1.3;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{margin:44px 0 12px;font-size:16px;font-weight:600}
h3{margin:0;font-size:14px;font-weight:600}
p{margin:0}
header{margin-bottom:28px}
.soft,.eyebrow{color:var(--soft)}
.eyebrow{font-size:13px;margin-bottom:4px}
header .soft{margin-top:6px}
.url{display:block;overflow-wrap:anywhere}
.url .soft{font-weight:400;font-size:18px;margin-left:.4em}
.dot{display:inline-block;width:9px;height:9px;border-radius:50%;background:var(--c);margin-right:7px}
.says{list-style:none;margin:0 0 20px;padding:0}
.says li{padding:8px 14px;margin-bottom:6px;border-left:3px solid var(--rule);background:var(--card);
overflow-wrap:anywhere;border-radius:0 6px 6px 0}
.says .bad{border-color:var(--bad);background:var(--badpage)}
.says .good{border-color:var(--good)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(168px,1fr));gap:1px;background:var(--card);
border:1px solid var(--rule);border-radius:10px;overflow:hidden}
.tile{padding:14px 16px;box-shadow:0 0 0 1px var(--rule)}
.tile dt{color:var(--soft);font-size:13px}
.tile dd{margin:2px 0 0;font-size:24px;font-weight:600;line-height:1.3;letter-spacing:-.01em;white-space:nowrap}
.tile dd small{font-size:14px;font-weight:400;color:var(--soft);letter-spacing:0}
.tiles.many .tile dd{font-size:18px}
.tiles.many .tile .ratio{font-size:13px;font-weight:400;color:var(--soft);letter-spacing:0}
.tile.bad dd{color:var(--bad)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(460px,100%),1fr));gap:16px}
figure{margin:0;padding:14px 16px 8px;min-width:0;background:var(--card);border:1px solid var(--rule);
border-radius:10px}
figcaption{display:flex;flex-wrap:wrap;justify-content:space-between;gap:2px 16px;margin-bottom:6px}
.legend{display:flex;flex-wrap:wrap;gap:0 14px;list-style:none;margin:0;padding:0;font-size:13px;color:var(--soft)}
.legend li{max-width:22em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.key{width:22px;height:8px;margin-right:6px}
.chart{display:block;width:100%;height:auto}
.chart text{font-size:11px;fill:var(--soft)}
.end{text-anchor:end}
.middle{text-anchor:middle}
.grid{stroke:var(--grid);fill:none}
.base{stroke:var(--rule);fill:none}
.c0{--c:var(--s0)}.c1{--c:var(--s1)}.c2{--c:var(--s2)}.c3{--c:var(--s3)}.c4{--c:var(--s4)}.c5{--c:var(--s5)}
.line{fill:none;stroke:var(--c);stroke-width:1.75;stroke-linejoin:round;stroke-linecap:round}
.dashed{stroke-dasharray:3 4;stroke-width:1.5}
.area{fill:var(--c);opacity:.1}
.slot rect{fill:transparent}
.slot path,.slot circle{visibility:hidden;pointer-events:none}
.slot path{stroke:var(--soft);stroke-width:.75;stroke-dasharray:2 3}
.slot circle{fill:var(--card);stroke:var(--c);stroke-width:2}
.slot:hover path,.slot:hover circle{visibility:visible}
.scroll{overflow-x:auto;border:1px solid var(--rule);border-radius:10px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:7px 16px;text-align:right;white-space:nowrap;border-top:1px solid var(--grid)}
thead th{border-top:0;color:var(--soft);font-weight:400;font-size:13px}
th:first-child,td:first-child{text-align:left;font-weight:400}
th.wide,td.wide{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:16em}
td:first-child{max-width:24em;overflow:hidden;text-overflow:ellipsis}
.scroll+.scroll{margin-top:12px}
details{margin-top:12px}
summary{cursor:pointer;color:var(--soft)}
pre{margin:8px 0 0;padding:14px 16px;background:var(--card);border:1px solid var(--rule);border-radius:10px;
font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.note{margin-top:10px;font-size:13px;color:var(--soft)}
@media (max-width:560px){main{padding:24px 14px 40px}.tiles{grid-template-columns:1fr 1fr}.tile dd{font-size:20px}
.chart text{font-size:13px}}
@media print{body{background:none}main{max-width:none;padding:0}figure,.tile,.scroll{break-inside:avoid}}
"""
