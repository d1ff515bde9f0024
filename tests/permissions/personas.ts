/** Who is asking. The order is the order of columns in expectations and in docs/permissions.md. */
export const personas = [
  "anon",
  "disabled",
  "revoked",
  "own counselor",
  "other counselor",
  "own manager",
  "other manager",
  "admin",
  "service",
] as const;

export type Persona = (typeof personas)[number];

/** Fixed ids of the fixture; it exists only inside a transaction that is rolled back. */
export const ids = {
  ownTeam: "00000000-0000-7000-8000-0000000000a0",
  otherTeam: "00000000-0000-7000-8000-0000000000b0",
  own: "00000000-0000-7000-8000-0000000000a1",
  colleague: "00000000-0000-7000-8000-0000000000a2",
  ownManager: "00000000-0000-7000-8000-0000000000a9",
  other: "00000000-0000-7000-8000-0000000000b1",
  otherManager: "00000000-0000-7000-8000-0000000000b9",
  admin: "00000000-0000-7000-8000-0000000000c1",
  spareAdmin: "00000000-0000-7000-8000-0000000000c2",
  spareTeam: "00000000-0000-7000-8000-0000000000a8",
  spareRole: "00000000-0000-7000-8000-0000000000d1",
  lead: "00000000-0000-7000-8000-0000000000e1",
  otherLead: "00000000-0000-7000-8000-0000000000e2",
  row: "00000000-0000-7000-8000-0000000000f1",
  fresh: "00000000-0000-7000-8000-0000000000f9",
} as const;

/** The session of a person: their id with another variant nibble. */
export const sessionOf = (userId: string): string => userId.replace("-8000-", "-9000-");

/** One way of being a persona: the role, the token's claims, and what happened before the request. */
export interface Guise {
  role: "anon" | "authenticated" | "service_role";
  claims: Record<string, string>;
  before?: string;
}

const signedIn = (userId: string, before?: string): Guise => ({
  role: "authenticated",
  claims: {
    sub: userId,
    role: "authenticated",
    aud: "authenticated",
    session_id: sessionOf(userId),
  },
  ...(before ? { before } : {}),
});

const disabled = (userId: string) =>
  signedIn(userId, `update public.profiles set is_active = false where id = '${userId}'`);

const revoked = (userId: string) =>
  signedIn(userId, `delete from auth.sessions where user_id = '${userId}'`);

/**
 * Disabled and revoked are tried twice, as the owner of the row and as an admin: a policy that
 * forgets to look at the account or the session gives one of them away.
 */
export const guises: Record<Persona, Guise[]> = {
  anon: [{ role: "anon", claims: { role: "anon" } }],
  disabled: [disabled(ids.own), disabled(ids.admin)],
  revoked: [revoked(ids.own), revoked(ids.admin)],
  "own counselor": [signedIn(ids.own)],
  "other counselor": [signedIn(ids.other)],
  "own manager": [signedIn(ids.ownManager)],
  "other manager": [signedIn(ids.otherManager)],
  admin: [signedIn(ids.admin)],
  service: [{ role: "service_role", claims: { role: "service_role" } }],
};
