// The page at /_sim: what "went out" and what was asked, as a mail catcher shows mail.

import type { Fault } from "./faults.ts";
import type { Journal } from "./journal.ts";

const entities: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escapeHtml = (value: unknown) =>
  String(value ?? "").replace(/[&<>"']/g, (c) => entities[c] ?? c);

function table(head: string[], rows: unknown[][]): string {
  if (rows.length === 0) return "<p>Nothing yet.</p>";
  const cells = (tag: string, row: unknown[]) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return `<table>${cells("th", head)}${rows.map((row) => cells("td", row)).join("")}</table>`;
}

export function renderPage(journal: Journal, faults: Fault[]): string {
  const newest = <T>(list: T[]) => list.slice(-100).reverse();
  const delivered = newest(journal.deliveries).map((entry) => {
    const last = entry.attempts.at(-1);
    return [
      entry.at,
      entry.provider,
      entry.state,
      entry.attempts.length,
      last?.status ?? last?.error,
      entry.url,
      entry.body,
    ];
  });
  const asked = newest(journal.asked).map((entry) => [
    entry.at,
    entry.provider,
    entry.status ?? "none",
    entry.fault,
    `${entry.method} ${entry.path}`,
    entry.body,
  ]);
  const mails = newest(journal.mails).map(({ at, mail }) => [at, JSON.stringify(mail)]);
  const rules = faults.map((rule) => [rule.id, rule.provider, rule.kind, rule.times ?? "always"]);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<title>Provider simulators</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .5rem; text-align: left; vertical-align: top; }
td { font-family: ui-monospace, monospace; font-size: 12px; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>Provider simulators</h1>
<h2>Delivered to our webhooks</h2>
${table(["at", "provider", "state", "attempts", "last", "to", "body"], delivered)}
<h2>Asked of the providers</h2>
${table(["at", "provider", "status", "fault", "request", "body"], asked)}
<h2>Mail of the Auth server</h2>
${table(["at", "mail"], mails)}
<h2>Faults switched on</h2>
${table(["id", "provider", "kind", "times"], rules)}
</body>
</html>
`;
}
