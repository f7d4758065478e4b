"""How a weekly page looks: calm, on a screen and on paper."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light } * { box-sizing: border-box }
body { font: 16px/1.55 system-ui, sans-serif; color: #27313b; max-width: 900px; margin: 0 auto; padding: 2rem 20px }
header p, .soft, figcaption { color: #56616c } h1 { font-size: 1rem; font-weight: 600; margin: 0 }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .4rem } h3 { font-size: 1rem; margin: 0 }
.head { display: flex; gap: 24px; align-items: flex-start; margin: 1.4rem 0; padding: 22px 24px; border-radius: 10px;
  background: #f7f9fa; border-left: 6px solid #9aa3ac }
.head svg { flex: none } .head p { margin: .35rem 0 } .head .big { font-size: 1.55rem; line-height: 1.25; margin: 0;
  font-weight: 600 }
.green { border-color: #3a8f4d } .amber { border-color: #e09a1f } .red { border-color: #c5372c }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin: 1rem 0 }
.tiles div { padding: 12px 16px; border: 1px solid #e1e6ea; border-radius: 8px } .tiles b { display: block;
  font-size: 1.5rem; font-weight: 600; line-height: 1.3 }
.tiles span { font-size: .85rem; color: #56616c }
figure { margin: 1rem 0 } figcaption { font-size: .85rem } svg { max-width: 100%; height: auto; display: block }
.moved { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(360px, 100%), 1fr)); gap: 20px 32px;
  margin-top: 1rem }
.moved p { margin: .2rem 0 .6rem; font-size: .92rem }
table { border-collapse: collapse; font-size: .82rem; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 4px 10px 4px 0; border-bottom: 1px solid #e6eaed; text-align: right; vertical-align: top }
th { color: #56616c; font-weight: 600 } .l { text-align: left } td time { white-space: nowrap }
dt { font-weight: 600 } dd { margin: 0 0 .6rem }
.key { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: .82rem; color: #56616c; padding: 0; list-style: none;
  margin: .3rem 0 }
.key i { display: inline-block; width: 1.4em; text-align: center; font-style: normal; border-radius: 2px;
  margin-right: .4em; color: #27313b }
footer { margin-top: 3rem; font-size: .82rem; color: #56616c; border-top: 1px solid #e1e6ea; padding-top: .8rem }
.wide { overflow-x: auto }
@media (max-width: 640px) { figure > div { overflow-x: auto; direction: rtl }
  figure > div svg { direction: ltr; min-width: 600px } }
@media print { .wide { overflow: visible } body { font-size: 11pt; padding: 0 }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  .head, .tiles div, figure, .moved article, tr { break-inside: avoid } h2 { break-after: avoid } }
"""
