// JSON without loss: providers send ids of 17 digits as numbers, which JavaScript would round.

const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** As JSON.parse, but an integer that a double cannot hold becomes a string of its digits. */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Only text that parsed comes here, which keeps the pattern linear.
  if (!/\d{16}/.test(text)) return value;
  return JSON.parse(
    text.replace(token, (found) =>
      found.startsWith('"') || !/^-?\d+$/.test(found) || Number.isSafeInteger(Number(found))
        ? found
        : `"${found}"`,
    ),
  );
}

/** Strict UTF-8, then JSON; undefined when it is neither. */
export function parseJsonBytes(bytes: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
