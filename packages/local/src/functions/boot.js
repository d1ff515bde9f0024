// First module of every function process, run by Deno in front of the function's own index.ts. It
// gives the function what the hosted runtime gives (EdgeRuntime.waitUntil, `export default { fetch }`),
// moves Deno.serve to a free loopback port, and ends the process when the stack that started it is gone.

const { entry, mark } = JSON.parse(Deno.env.get("INTAKE_BOOT"));

// What Deno or this process alone needs is hidden from the function: hosted has none of it.
const hidden = ["INTAKE_BOOT", "DENO_DIR", "DENO_TLS_CA_STORE", "DENO_NO_UPDATE_CHECK", "NO_COLOR"];
for (const name of [...hidden, "HOME", "PATH"]) Deno.env.delete(name);

const encoder = new TextEncoder();
const tell = (message) =>
  Deno.stdout.writeSync(encoder.encode(`${mark}${JSON.stringify(message)}\n`));

const background = new Set();
globalThis.EdgeRuntime = {
  waitUntil(promise) {
    const task = Promise.resolve(promise)
      // biome-ignore lint/suspicious/noConsole: the process's log is its standard error
      .catch((error) => console.error("waitUntil:", error))
      .finally(() => background.delete(task));
    background.add(task);
    return promise;
  },
};

const servers = [];
const serve = Deno.serve;

function serveOnLoopback(first, second) {
  const options = typeof first === "function" ? {} : first;
  const handler = typeof first === "function" ? first : (second ?? options.handler);
  const server = serve(
    {
      signal: options.signal,
      onError: options.onError,
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
    },
    handler,
  );
  servers.push(server);
  // Only the first one is the function: hosted routes to one listener as well.
  if (servers.length === 1) tell({ port: server.addr.port });
  return server;
}

Object.defineProperty(Deno, "serve", { value: serveOnLoopback });

async function finish() {
  await Promise.all(servers.map((server) => server.shutdown()));
  while (background.size > 0) await Promise.allSettled(background);
  globalThis.dispatchEvent(new Event("beforeunload"));
  Deno.exit(0);
}

async function obey() {
  const decoder = new TextDecoder();
  for await (const chunk of Deno.stdin.readable) {
    if (decoder.decode(chunk).includes("finish")) finish();
  }
  // The other end is closed: the stack has died without saying so.
  Deno.exit(0);
}

obey();

const module = await import(entry);
if (servers.length === 0 && typeof module.default?.fetch === "function") {
  serveOnLoopback((request) => module.default.fetch(request));
}
if (servers.length === 0) tell({ silent: true });
