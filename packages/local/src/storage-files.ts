import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { App } from "@supabase/lite";

type StorageAdapter = NonNullable<App["_storageAdapter"]>;
type Metadata = Awaited<ReturnType<StorageAdapter["headObject"]>>;

interface Facts {
  mimetype: string;
  cacheControl: string;
  eTag: string;
}

/**
 * Keeps the bytes of Storage as files. An object's name may be anything a URL can say, so the file
 * is named by its hash; what the browser must be told stands in a second file beside it.
 */
export function createFileStorage(folder: string): StorageAdapter {
  const path = (bucket: string, key: string) => {
    const name = createHash("sha256").update(`${bucket}/${key}`).digest("hex");
    return join(folder, name.slice(0, 2), name);
  };

  async function head(bucket: string, key: string): Promise<Metadata> {
    const file = path(bucket, key);
    const [facts, status] = await Promise.all([readFacts(file), stat(file)]);
    return {
      ...facts,
      contentLength: status.size,
      size: status.size,
      lastModified: status.mtime,
      httpStatusCode: 200,
    };
  }

  async function remove(bucket: string, key: string): Promise<void> {
    const file = path(bucket, key);
    await Promise.all([rm(file, { force: true }), rm(`${file}.json`, { force: true })]);
  }

  return {
    driver: null,
    async getObject(bucket, key, _version, headers) {
      const metadata = await head(bucket, key);
      if (headers?.ifNoneMatch !== undefined && headers.ifNoneMatch === metadata.eTag) {
        return { metadata, httpStatusCode: 304 };
      }
      const content = await readFile(path(bucket, key));
      const range = /^bytes=(\d*)-(\d*)$/.exec(headers?.range ?? "");
      if (!range) return { metadata, httpStatusCode: 200, body: content };
      const [, from, to] = range;
      const start = from ? Number(from) : Math.max(0, content.length - Number(to));
      const end = from && to ? Math.min(Number(to), content.length - 1) : content.length - 1;
      const part = content.subarray(start, end + 1);
      return {
        metadata: {
          ...metadata,
          contentLength: part.length,
          contentRange: `bytes ${start}-${end}/${content.length}`,
        },
        httpStatusCode: 206,
        body: part,
      };
    },
    async uploadObject(bucket, key, _version, body, contentType, cacheControl) {
      const content = await collect(body);
      const file = path(bucket, key);
      const facts: Facts = {
        mimetype: contentType,
        cacheControl,
        eTag: `"${createHash("md5").update(content).digest("hex")}"`,
      };
      await mkdir(dirname(file), { recursive: true });
      await writeFile(`${file}.new`, content);
      await writeFile(`${file}.json`, JSON.stringify(facts));
      await rename(`${file}.new`, file);
      return await head(bucket, key);
    },
    async deleteObject(bucket, key) {
      await remove(bucket, key);
    },
    async deleteObjects(bucket, keys) {
      await Promise.all(keys.map((key) => remove(bucket, key)));
    },
    async copyObject(bucket, key, _version, toBucket, toKey) {
      const [from, to] = [path(bucket, key), path(toBucket, toKey)];
      await mkdir(dirname(to), { recursive: true });
      await Promise.all([copyFile(from, to), copyFile(`${from}.json`, `${to}.json`)]);
      return await head(toBucket, toKey);
    },
    async headObject(bucket, key) {
      return await head(bucket, key);
    },
    async privateAssetUrl(bucket, key) {
      return `file://${path(bucket, key)}`;
    },
  };
}

async function readFacts(file: string): Promise<Facts> {
  return JSON.parse(await readFile(`${file}.json`, "utf8")) as Facts;
}

async function collect(body: unknown): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
