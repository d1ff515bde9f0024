/** What a file is, by its content: real files of each kind, and what pretends to be one. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  type Content,
  inspect,
  type Reader,
} from "../../supabase/functions/worker/documents/content.ts";
import { compound, docx, pdf, png, program, zip } from "../helpers/files.ts";

const open = "application/vnd.openxmlformats-officedocument";
const types = { "[Content_Types].xml": "<Types/>" };
const mebibyte = 1024 * 1024;

const readerOf =
  (file: Buffer): Reader =>
  async (offset, length) => ({
    bytes: file.subarray(offset, offset + length),
    total: file.length,
  });

const inspected = async (file: Buffer) => (await inspect(readerOf(file), 20 * mebibyte)) as Content;

/** Spread over several pieces, with what matters across the border of two. */
const long = (file: Buffer, place: number) =>
  Buffer.concat([file.subarray(0, 512), Buffer.alloc(place - 512), file.subarray(512)]);

describe("the content of a file", () => {
  it.for<[string, Buffer, string]>([
    ["a PDF", pdf(), "application/pdf"],
    ["a PNG", png, "image/png"],
    ["a JPEG", Buffer.from("ffd8ffe000104a464946", "hex"), "image/jpeg"],
    ["a WebP", Buffer.from("RIFF\n\0\0\0WEBPVP8L"), "image/webp"],
    ["a HEIC", Buffer.from("\0\0\0\x18ftypheic\0\0\0\0"), "image/heic"],
    ["a Word document", docx(), `${open}.wordprocessingml.document`],
    ["an Excel book", zip({ ...types, "xl/workbook.xml": "" }), `${open}.spreadsheetml.sheet`],
    [
      "a PowerPoint file",
      zip({ ...types, "ppt/presentation.xml": "" }),
      `${open}.presentationml.presentation`,
    ],
    ["an old Word document", compound("Root Entry", "WordDocument"), "application/msword"],
    ["an old Excel book", compound("Workbook"), "application/vnd.ms-excel"],
    ["an old PowerPoint file", compound("PowerPoint Document"), "application/vnd.ms-powerpoint"],
    [
      "a long old Word document",
      long(compound("WordDocument"), mebibyte - 5),
      "application/msword",
    ],
  ])("says that it is %s", async ([, file, type]) => {
    expect((await inspected(file)).type).toBe(type);
  });

  it.for<[string, Buffer, string]>([
    ["a program", program, "a Windows program"],
    ["a program of Linux", Buffer.from("\x7fELF\x02\x01", "latin1"), "a Linux program"],
    ["a script", Buffer.from("#!/bin/sh\nrm -rf ~"), "a script"],
    ["a web page", Buffer.from("\n <script>alert(1)</script>"), "a web page or other markup"],
    ["an image that scripts", Buffer.from("<svg onload='x'/>"), "a web page or other markup"],
    [
      "a PDF behind a web page",
      Buffer.concat([Buffer.from("<html>"), pdf()]),
      "a web page or other markup",
    ],
    ["a PDF behind a program", Buffer.concat([program, pdf()]), "a Windows program"],
    ["an archive", zip({ "a.txt": "a" }), "an archive"],
    ["an archive that looks like Word", zip({ "word/document.xml": "" }), "an archive"],
    ["half an archive", docx().subarray(0, 120), "an archive"],
    ["Word with macros", docx({ "word/vbaProject.bin": "" }), "an office document with macros"],
    [
      "old Word with macros",
      compound("WordDocument", "_VBA_PROJECT"),
      "an office document with macros",
    ],
    ["an installer", compound("SummaryInformation"), "a compound file"],
    ["text", Buffer.from("Dear Sir"), "something else"],
  ])("is not taken for a document when it is %s", async ([, file, what]) => {
    expect(await inspected(file)).toMatchObject({ type: null, what });
  });

  it("is measured and summed over all of its pieces", async () => {
    const file = Buffer.concat([pdf(), Buffer.alloc(2 * mebibyte + 7, "x")]);
    expect(await inspected(file)).toEqual({
      size: file.length,
      checksum: createHash("sha256").update(file).digest("hex"),
      type: "application/pdf",
      what: "a PDF",
    });
    expect(await inspected(Buffer.alloc(0))).toMatchObject({ size: 0, type: null });
  });

  it("is not read when it is not there or too large", async () => {
    expect(await inspect(async () => null, mebibyte)).toBe("missing");
    let reads = 0;
    const large: Reader = async (offset, length) => {
      reads += 1;
      return readerOf(Buffer.alloc(mebibyte + 1))(offset, length);
    };
    expect(await inspect(large, mebibyte)).toBe("too large");
    expect(reads).toBe(1);
  });

  it("is read no further when the worker has to stop", async () => {
    const stopped = AbortSignal.abort();
    await expect(inspect(readerOf(pdf()), mebibyte, stopped)).rejects.toThrow();
  });
});
