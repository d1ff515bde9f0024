// The page at /docs: what there is to call, and calling it. Nothing is fetched from anywhere else.

/** Every operation of an OpenAPI document. */
export function operationsOf(document) {
  const server = document.servers?.[0]?.url ?? "";
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase(),
      path: server + path,
      summary: operation.summary ?? "",
      description: operation.description ?? "",
      parameters: operation.parameters ?? [],
      body: operation.requestBody?.content?.["application/json"]?.schema,
    })),
  );
}

/** A value that can be sent as it stands: of an object what is required. The rest stands in its schema. */
export function exampleOf(schema = {}) {
  if ("const" in schema) return schema.const;
  if ("default" in schema) return schema.default;
  if (schema.enum) return schema.enum[0];
  const [first] = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [];
  if (first) return exampleOf(first);
  switch ([schema.type].flat()[0]) {
    case "object": {
      const all = Object.entries(schema.properties ?? {});
      const required = all.filter(([name]) => schema.required?.includes(name));
      return Object.fromEntries(required.map(([name, one]) => [name, exampleOf(one)]));
    }
    case "array":
      return [];
    case "integer":
    case "number":
      return schema.minimum ?? 0;
    case "boolean":
      return false;
    case "string":
      return "";
    default:
      return null;
  }
}

/** The request of an operation with these values: those of its parameters by place and name, and its body. */
export function requestOf(operation, values, session) {
  const query = new URLSearchParams();
  const headers = { apikey: session.key };
  if (session.token) headers.authorization = `Bearer ${session.token}`;
  let path = operation.path;
  for (const { name, in: place } of operation.parameters) {
    const value = values[`${place} ${name}`];
    if (!value) continue;
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "query") query.append(name, value);
    else headers[name.toLowerCase()] = value;
  }
  const init = { method: operation.method, headers };
  if (operation.body) {
    headers["content-type"] = "application/json";
    init.body = values.body || "{}";
  }
  return { url: path + (query.size > 0 ? `?${query}` : ""), init };
}

const html = (text) => String(text).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** An operation as a form. */
export function render(operation) {
  const inputs = operation.parameters.map(
    ({ name, in: place, description, required }) => `
<label><code>${html(name)}</code> ${html(description ?? place)}
<input name="${html(`${place} ${name}`)}"${required ? " required" : ""}></label>`,
  );
  const body = operation.body
    ? `
<label>Body <textarea name="body" rows="8">${html(JSON.stringify(exampleOf(operation.body), null, 2))}</textarea></label>
<details><summary>Schema</summary><pre>${html(JSON.stringify(operation.body, null, 2))}</pre></details>`
    : "";
  return `
<details class="operation" data-text="${html(`${operation.path} ${operation.summary}`.toLowerCase())}">
<summary><b>${operation.method}</b> <code>${html(operation.path)}</code>${operation.path.endsWith(operation.summary) ? "" : ` ${html(operation.summary)}`}</summary>
<p>${html(operation.description)}</p>
<form data-id="${html(`${operation.method} ${operation.path}`)}">${inputs.join("")}${body}
<button type="submit">Send</button>
<pre class="answer" hidden></pre>
</form>
</details>`;
}

const described = async (response) => {
  const text = await response.text();
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {}
  return `${response.status} ${response.statusText}\n\n${shown}`;
};

const valuesOf = (form) =>
  Object.fromEntries([...form.elements].map(({ name, value }) => [name, value]));

/** Brings the page to life. */
export async function start(page, fetch) {
  const find = (selector) => page.querySelector(selector);
  const settings = await (await fetch("/docs/settings.json")).json();
  const session = { key: settings.publishableKey, token: "" };
  const operations = new Map();

  async function load() {
    const paths = ["/docs/openapi.json"];
    // Some functions answer nobody who is not signed in, not even about themselves.
    for (const name of settings.functions) paths.push(`/functions/v1/${name}/openapi.json`);
    const headers = requestOf({ parameters: [], path: "" }, {}, session).init.headers;
    const documents = await Promise.all(
      paths.map(async (path) => {
        const response = await fetch(path, { headers });
        return response.ok ? operationsOf(await response.json()) : [];
      }),
    );
    for (const operation of documents.flat()) {
      operations.set(`${operation.method} ${operation.path}`, operation);
    }
    find("#operations").innerHTML = [...operations.values()].map(render).join("");
  }

  async function signIn(form) {
    const response = await fetch("/auth/v1/token?grant_type=password", {
      method: "POST",
      headers: { apikey: session.key, "content-type": "application/json" },
      body: JSON.stringify(valuesOf(form)),
    });
    const answer = await response.json();
    session.token = answer.access_token ?? "";
    find("#who").textContent = session.token
      ? `Signed in as ${answer.user.email}.`
      : (answer.msg ?? answer.message ?? "Refused.");
    await load();
  }

  async function send(form) {
    const { url, init } = requestOf(operations.get(form.dataset.id), valuesOf(form), session);
    const output = form.querySelector(".answer");
    output.hidden = false;
    output.textContent = "…";
    try {
      output.textContent = `${init.method} ${url}\n\n${await described(await fetch(url, init))}`;
    } catch (error) {
      output.textContent = String(error);
    }
  }

  page.addEventListener("submit", (event) => {
    event.preventDefault();
    return event.target.id === "sign-in" ? signIn(event.target) : send(event.target);
  });
  find("#search").addEventListener("input", ({ target }) => {
    for (const one of page.querySelectorAll(".operation")) {
      one.hidden = !one.dataset.text.includes(target.value.toLowerCase());
    }
  });
  await load();
}

if (globalThis.document) await start(globalThis.document, (...request) => fetch(...request));
