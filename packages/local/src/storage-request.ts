/**
 * Clients upload a file either as the body itself or as a form with the file in a field without a
 * name. The emulator knows only the first of these for every route: a form is turned into it.
 */
export async function asRawUpload(request: Request): Promise<Request> {
  const type = request.headers.get("content-type") ?? "";
  const isUpload = request.method === "POST" || request.method === "PUT";
  if (!isUpload || !type.startsWith("multipart/form-data")) return request;
  const form = await request.formData();
  const file = [...form.values()].find((value) => typeof value !== "string");
  if (file === undefined || typeof file === "string") return new Request(request, { body: "" });
  const headers = new Headers(request.headers);
  headers.set("content-type", file.type || "application/octet-stream");
  headers.set("content-length", String(file.size));
  const seconds = form.get("cacheControl");
  if (typeof seconds === "string") headers.set("cache-control", `max-age=${seconds}`);
  const metadata = form.get("metadata");
  if (typeof metadata === "string") {
    headers.set("x-metadata", Buffer.from(metadata).toString("base64"));
  }
  return new Request(request.url, {
    method: request.method,
    headers,
    body: await file.arrayBuffer(),
  });
}

/** Signed addresses under the names, and relative to the address, that clients of hosted expect. */
export async function withHostedNames(request: Request, response: Response): Promise<Response> {
  const { pathname } = new URL(request.url);
  const isSigning = /^\/storage\/v1\/object\/(upload\/)?sign\//.test(pathname);
  if (!isSigning || request.method !== "POST" || !response.ok) return response;
  const body = (await response.json()) as Record<string, unknown> | Record<string, unknown>[];
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  const renamed = Array.isArray(body) ? body.map(rename) : rename(body);
  return Response.json(renamed, { status: response.status, headers });
}

function rename(answer: Record<string, unknown>) {
  const { signedUrl, ...rest } = answer;
  if (typeof signedUrl !== "string") return answer;
  const relative = signedUrl.replace(/^\/storage\/v1/, "");
  if (relative.startsWith("/object/upload/")) return { ...rest, url: relative };
  return { ...rest, signedURL: relative || null };
}

/**
 * Signs several objects of a bucket. The emulator mistakes this route for the one of a single object
 * with an empty name, so it is asked once for each.
 */
export async function signSeveral(
  request: Request,
  answer: (request: Request) => Promise<Response>,
): Promise<Response | null> {
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "POST" || !/^\/storage\/v1\/object\/sign\/[^/]+$/.test(pathname)) {
    return null;
  }
  const body = (await request.json().catch(() => null)) as {
    expiresIn?: number;
    paths?: string[];
  } | null;
  if (!body || !Array.isArray(body.paths)) {
    const error = "body must have required property 'paths'";
    return Response.json({ statusCode: "400", error: "Error", message: error }, { status: 400 });
  }
  const headers = new Headers(request.headers);
  headers.delete("content-length");
  const signed = body.paths.map(async (path) => {
    const name = path.split("/").map(encodeURIComponent).join("/");
    const response = await answer(
      new Request(`${origin}${pathname}/${name}`, {
        method: "POST",
        headers,
        body: JSON.stringify({ expiresIn: body.expiresIn }),
      }),
    );
    const result = (await response.json()) as Record<string, unknown>;
    if (response.ok) return { error: null, path, ...rename(result) };
    return {
      error: "Either the object does not exist or you do not have access to it",
      path,
      signedURL: null,
    };
  });
  return Response.json(await Promise.all(signed));
}
