/** How the operator's page looks: the paper and ink of the console, in one piece. */
export const operatorStyle = `
:root{color-scheme:light dark;--paper:#fbfaf7;--surface:#fff;--ink:#1c1b19;--muted:#6b675f;--line:#e5e1d8;
--jade:#1b7f5c;--jade-wash:#e8f4ef;--amber:#8f5c10;--amber-wash:#fbf3e2;--red:#a51f23;--red-wash:#fbeeec;
--void:#6b675f;--void-wash:#f0ede6}
@media (prefers-color-scheme:dark){:root{--paper:#161513;--surface:#1f1e1b;--ink:#edeae3;--muted:#a39e93;--line:#34322d;
--jade:#5cc49b;--jade-wash:#17301f;--amber:#e0b060;--amber-wash:#33280f;--red:#f08a80;--red-wash:#3a1b18;
--void:#a39e93;--void-wash:#2a2823}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1200px;padding:24px;background:var(--paper);color:var(--ink);
font:14px/1.6 "PingFang SC","HarmonyOS Sans SC","Noto Sans SC","Noto Sans CJK SC",system-ui,sans-serif;
font-variant-numeric:tabular-nums}
header,.row{display:flex;gap:12px;align-items:center;justify-content:space-between}
h1{margin:0;font:600 28px/1.3 "Noto Serif SC","Noto Serif CJK SC",Songti SC,serif}
h1 small{margin-left:12px;color:var(--muted);font-size:14px;font-weight:400}
h2{margin:32px 0 12px;font-size:18px}
h3{margin:0 0 8px;font-size:15px}
h3 small{margin-left:8px;color:var(--muted);font-size:13px;font-weight:400}
p{margin:0 0 8px}
nav{display:flex;gap:12px}
nav a,nav strong{padding:10px 0}
a{color:inherit}
.muted{color:var(--muted)}
.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.94em;overflow-wrap:anywhere}
.verdict{padding:16px;border-radius:6px;border-left:4px solid}
.verdict p{margin:0;font:600 20px/1.4 "Noto Serif SC","Noto Serif CJK SC",Songti SC,serif}
.verdict ul{margin:8px 0 0;padding-left:20px}
.verdict li{overflow-wrap:anywhere}
.verdict.good{background:var(--jade-wash);border-color:var(--jade);color:var(--jade)}
.verdict.bad{background:var(--red-wash);border-color:var(--red)}
.verdict.bad p{color:var(--red)}
.sites{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:24px}
.site ul{display:grid;gap:8px;margin:0;padding:0;list-style:none}
.place{padding:12px 14px;border:1px solid var(--line);border-left:3px solid var(--line);border-radius:6px;background:var(--surface)}
.place.good{border-left-color:var(--jade)}
.place.bad{border-left-color:var(--red)}
.place.void{background:var(--void-wash);color:var(--void)}
.place p{margin:0}
.place dl{display:grid;grid-template-columns:1fr 1fr;gap:4px 16px;margin:8px 0 0}
.place .trouble{margin-top:8px;color:var(--red);overflow-wrap:anywhere}
dt{color:var(--muted);font-size:12px}
dd{margin:0;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:8px;margin:0}
.figures div{padding:12px 14px;border:1px solid var(--line);border-radius:6px;background:var(--surface)}
.figures dd{font-size:20px}
.badge{display:inline-block;padding:0 8px;border-radius:4px;white-space:nowrap;background:var(--void-wash);color:var(--void)}
.badge.good{background:var(--jade-wash);color:var(--jade)}
.badge.bad{background:var(--red-wash);color:var(--red)}
.badge.wait{background:var(--amber-wash);color:var(--amber)}
table{width:100%;border-collapse:collapse;background:var(--surface);border:1px solid var(--line);border-radius:6px}
th,td{padding:8px 12px;border-top:1px solid var(--line);text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{border-top:0;color:var(--muted);font-size:12px;font-weight:400;white-space:nowrap}
time{white-space:nowrap}
@media (max-width:760px){
body{padding:16px;font-size:16px}
.sites{grid-template-columns:minmax(0,1fr)}
.figures{grid-template-columns:1fr 1fr}
table,tbody,tr,td{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table{border:0;background:none}
tr{margin-bottom:8px;padding:8px 14px;border:1px solid var(--line);border-radius:6px;background:var(--surface)}
td{display:flex;gap:16px;justify-content:space-between;padding:4px 0;border:0}
td::before{content:attr(data-label);flex:none;color:var(--muted);font-size:13px}
td>span{text-align:right;min-width:0}
time{white-space:normal}
}
@media print{body{max-width:none}nav{display:none}}
`
