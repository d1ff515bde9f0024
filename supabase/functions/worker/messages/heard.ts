// What a stored delivery says, in our own words. One event that cannot be read never costs the others.

import type { InboundMessage, MessageReport } from "@intake/types";

/** A file that came with a message and is fetched afterwards. */
export interface InboundFile {
  media_id: string;
  name: string;
}

export interface Heard {
  reports: MessageReport[];
  messages: { message: InboundMessage; files: InboundFile[] }[];
}

export const fromUnix = (seconds: number): string | undefined => {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
};

/** Text as the database takes it: a NUL or half a character in one event would cost all the others. */
export const storable = (heard: Heard): Heard =>
  JSON.parse(JSON.stringify(heard), (_name, value: unknown) =>
    typeof value === "string"
      ? value.replaceAll("\0", "\ufffd").replace(/\p{Cs}/gu, "\ufffd")
      : value,
  ) as Heard;
