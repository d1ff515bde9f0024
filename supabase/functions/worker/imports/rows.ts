// What reading a file gives.

export interface StagedRow {
  cells: string[];
  /** What is wrong with the row, of the error catalogue. */
  code?: string;
  detail?: string;
}

/** The file as a whole cannot be imported, and trying again will not help. */
export class FileFault extends Error {
  override name = "FileFault";
  readonly code: string;
  readonly detail: string | null;

  constructor(code: string, detail: string | null = null) {
    super(detail ? `${code}: ${detail}` : code);
    this.code = code;
    this.detail = detail;
  }
}
