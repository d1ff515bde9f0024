/**
 * The emulator reads a filter's value as a number where it can, so `phone=eq.+919876543210` would look
 * for `919876543210` and find nothing. A value in quotes is the text that it is, in a list and in the
 * conditions of `or=(…)` and `and=(…)` too.
 */
export function keepTextThatLooksNumeric(address: string): string {
  const url = new URL(address);
  const given = [...url.searchParams];
  const kept = given.map(([name, value]): [string, string] => [
    name,
    /(^|\.)(or|and)$/.test(name) ? inTree(value) : inCondition(value),
  ]);
  if (kept.every(([, value], index) => value === given[index]?.[1])) return address;
  url.search = new URLSearchParams(kept).toString();
  return url.href;
}

/** `(a.eq.1,and(b.eq.2,c.eq.3))`, or the same after a name. */
function inTree(tree: string): string {
  const [, before = "", inner] = /^([^(]*)\((.*)\)$/s.exec(tree) ?? [];
  if (inner === undefined) return tree;
  const parts = split(inner).map((part) => {
    if (/^\s*(not\.)?(and|or)\s*\(/.test(part)) return inTree(part);
    const [, column, condition] = /^("[^"]*"|[^."]+)\.(.*)$/s.exec(part) ?? [];
    return condition === undefined ? part : `${column}.${inCondition(condition)}`;
  });
  return `${before}(${parts.join(",")})`;
}

/** `eq.1` or `in.(1,2)`, with or without `not.`. */
function inCondition(condition: string): string {
  const list = /^((?:not\.)?in\.)\((.*)\)$/s.exec(condition);
  if (list)
    return `${list[1]}(${split(list[2] ?? "")
      .map(quoted)
      .join(",")})`;
  const one = /^((?:not\.)?(?:eq|neq|gte?|lte?)\.)(.*)$/s.exec(condition);
  return one ? `${one[1]}${quoted(one[2] ?? "")}` : condition;
}

function quoted(text: string): string {
  const number = text.trim() === "" ? Number.NaN : Number(text);
  const isDistorted = !Number.isNaN(number) && String(number) !== text;
  return isDistorted ? `"${text}"` : text;
}

/** At the commas that are in no quotes and no parentheses. */
function split(text: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[\s\S]/g)) {
    if (token === "(" || token === "{") depth += 1;
    if (token === ")" || token === "}") depth -= 1;
    if (token === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += token;
  }
  return parts;
}
