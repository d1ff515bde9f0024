// What the simulators were asked and what they delivered, newest last; bounded, so that a stack that
// runs for days does not grow.

const keep = 1_000;

export interface Asked {
  at: string;
  provider: string;
  method: string;
  path: string;
  status: number | null;
  /** The fault that was played instead of an answer, if one was. */
  fault: string | null;
  body: string;
}

export interface Attempt {
  at: string;
  status: number | null;
  error: string | null;
  response: string;
  durationMs: number;
}

export interface Delivery {
  id: string;
  at: string;
  provider: string;
  url: string;
  headers: Record<string, string>;
  body: string;
  state: "waiting" | "held" | "delivered" | "failed" | "dropped";
  attempts: Attempt[];
}

export function createJournal() {
  const asked: Asked[] = [];
  const deliveries: Delivery[] = [];
  const mails: { at: string; mail: unknown }[] = [];

  function push<T>(list: T[], entry: T): T {
    list.push(entry);
    if (list.length > keep) list.shift();
    return entry;
  }

  return {
    asked,
    deliveries,
    mails,
    recordAsked: (entry: Asked) => push(asked, entry),
    recordDelivery: (entry: Delivery) => push(deliveries, entry),
    recordMail: (mail: unknown) => void push(mails, { at: new Date().toISOString(), mail }),
    clear() {
      asked.length = 0;
      deliveries.length = 0;
      mails.length = 0;
    },
  };
}

export type Journal = ReturnType<typeof createJournal>;
