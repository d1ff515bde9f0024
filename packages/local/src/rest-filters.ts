/**
 * The emulator reads a filter's value as a number where it can, so `phone=eq.+919876543210` would look
 * for `919876543210` and find nothing. A quoted list of one is read as the text that it is.
 */
export function keepTextThatLooksNumeric(address: string): string {
  const url = new URL(address);
  let changed = false;
  const filters = [...url.searchParams].map(([name, value]): [string, string] => {
    const [, negated = "", operator, text = ""] = /^(not\.)?(eq|neq)\.(.*)$/s.exec(value) ?? [];
    if (!operator || text.trim() === "" || !isDistorted(text)) return [name, value];
    changed = true;
    const isNot = (negated !== "") !== (operator === "neq");
    return [name, `${isNot ? "not." : ""}in.("${text}")`];
  });
  if (!changed) return address;
  url.search = new URLSearchParams(filters).toString();
  return url.href;
}

function isDistorted(text: string): boolean {
  return !Number.isNaN(Number(text)) && String(Number(text)) !== text;
}
