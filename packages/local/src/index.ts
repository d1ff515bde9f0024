export { StackError } from "./errors.ts";
export { type Stack, type StackOptions, startStack } from "./stack.ts";
