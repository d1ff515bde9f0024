/** As much of a browser as the page at /docs asks for. */

interface Node {
  hidden: boolean;
  innerHTML: string;
  textContent: string;
  addEventListener(): void;
}

const node = (): Node => ({ hidden: true, innerHTML: "", textContent: "", addEventListener() {} });

/** A form that was filled in: of the sign-in by its id, or of an operation by its method and path. */
export function createForm(id: string, operation: string, values: Record<string, string>) {
  const shown = node();
  return {
    id,
    dataset: { id: operation },
    elements: Object.entries(values).map(([name, value]) => ({ name, value })),
    querySelector: (selector: string) => (selector === ".answer" ? shown : null),
    shown,
  };
}

type Form = ReturnType<typeof createForm>;
type Listener = (event: { target: Form; preventDefault(): void }) => Promise<void>;

export function createPage() {
  const nodes = new Map<string, Node>();
  const find = (selector: string): Node => {
    const found = nodes.get(selector) ?? node();
    nodes.set(selector, found);
    return found;
  };
  let submit: Listener = async () => {};
  return {
    querySelector: find,
    addEventListener(name: string, listener: Listener) {
      if (name === "submit") submit = listener;
    },
    submit: (target: Form) => submit({ target, preventDefault() {} }),
  };
}
