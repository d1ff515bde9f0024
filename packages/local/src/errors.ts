/** A failure whose message already says what the reader can do about it: printed without a stack. */
export class StackError extends Error {
  override name = "StackError";
}
