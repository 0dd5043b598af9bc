"""The style sheet of the page; no fonts, images or scripts from anywhere."""

from __future__ import annotations

CSS = """
:root{--ink:#1c2b24;--muted:#5d6b64;--line:#dbe3de;--soft:#f4f7f5;--green:#1b7a4b;--amber:#b45309}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;color:var(--ink);background:#fff;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main,header .in,footer .in{max-width:1180px;margin:0 auto;padding:0 20px}
header{background:#12382a;color:#fff;padding:26px 0 22px}
header h1{margin:0;font-size:27px;line-height:1.2;font-weight:650;overflow-wrap:anywhere}
header p{margin:6px 0 0;color:#cfe3d8}
h2{font-size:19px;margin:38px 0 6px;padding-top:14px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:0;overflow-wrap:anywhere}
p.note,.legend{color:var(--muted);font-size:13px;margin:4px 0 12px;max-width:86ch}
.simulated{background:#fff3d6;border-bottom:2px solid var(--amber);color:#7a3a05;text-align:center;padding:9px 16px;font-weight:650}
.watermark{position:fixed;inset:0;z-index:9;pointer-events:none;opacity:.07;overflow:hidden;display:grid;place-items:center}
.watermark span{font-size:min(17vw,210px);font-weight:800;letter-spacing:.05em;transform:rotate(-28deg);color:#7a3a05}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px;margin:22px 0 0}
.tile{border:1px solid var(--line);border-radius:8px;padding:11px 14px}
.tile b{display:block;font-size:21px;font-weight:650;font-variant-numeric:tabular-nums;line-height:1.25;overflow-wrap:anywhere}
.tile span{color:var(--muted);font-size:13px}
.maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:14px}
.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr))}
figure{margin:0}figcaption{font-size:13px;color:var(--muted);margin:0 0 4px}
svg{display:block;width:100%;height:auto;font-family:inherit}
svg text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
svg .halo text{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
svg.bar{width:100px;height:14px;margin-left:auto}
svg.chart{max-width:560px}
svg.inset{width:104px;flex:none}
.key{display:inline-flex;align-items:center;gap:5px;margin-right:14px;white-space:nowrap}
.key i{display:inline-block;width:22px;height:11px;border-radius:2px}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px}
.scroll:focus-visible{outline:2px solid var(--green)}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th{background:var(--soft);text-align:left;font-weight:600;vertical-align:bottom;line-height:1.3}
th small{display:block;font-weight:400;color:var(--muted)}
th,td{padding:7px 10px;border-bottom:1px solid var(--line)}
td{vertical-align:top}tbody tr:last-child td{border-bottom:0}
.num{text-align:right;white-space:nowrap}
.values td:nth-child(2),.values th:nth-child(2){position:sticky;left:0;background:#fff;min-width:112px;max-width:210px;overflow-wrap:anywhere}
.values th:nth-child(2){background:var(--soft)}
.values small{color:var(--muted);display:block}
.long td{overflow-wrap:anywhere;min-width:64px}
.mono{font:12px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.grade{display:inline-block;min-width:22px;text-align:center;border-radius:4px;padding:0 6px;font-weight:700;color:#fff;background:#6b7671}
.gA{background:#17693f}.gB{background:#3f7d2c}.gC{background:#a15c07}.gD{background:#a32d2d}
code{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--soft);border:1px solid var(--line);border-radius:3px;padding:0 4px;white-space:nowrap;cursor:help}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,350px),1fr));gap:16px}
.card{border:1px solid var(--line);border-radius:8px;padding:14px;break-inside:avoid;min-width:0}
.card .top{display:flex;gap:12px;align-items:flex-start;margin-bottom:6px}
.card dl{margin:4px 0 0;display:grid;grid-template-columns:auto 1fr;gap:0 10px;font-size:13px;min-width:0}
.card dt{color:var(--muted)}.card dd{margin:0;font-variant-numeric:tabular-nums}
.card figcaption{margin-top:8px}
.empty{color:var(--muted);font-size:13px;background:var(--soft);border-radius:6px;padding:9px 12px;margin:8px 0 0}
details{margin-top:12px}summary{cursor:pointer;font-weight:600;margin-bottom:8px}
.facts{display:grid;grid-template-columns:minmax(120px,auto) 1fr;gap:2px 16px;font-size:13px;margin:8px 0 0}
.facts dt{color:var(--muted)}.facts dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:44px;padding:20px 0 34px;background:var(--soft);border-top:1px solid var(--line);font-size:13px}
footer p{max-width:86ch;margin:0 0 6px}
@media(max-width:640px){body{font-size:14px}header h1{font-size:22px}main,header .in,footer .in{padding:0 14px}
.tiles{grid-template-columns:1fr 1fr}.tile b{font-size:17px}}
@media print{.scroll{overflow:visible;border:0}.values td:nth-child(2){position:static}header{background:none;color:#000}header p{color:#333}
details:not([open])>*{display:none}h2{break-after:avoid}}
"""
