export { anon, as, type Client, password, service, signIn, withToken } from "./clients.ts";
export { expectData, expectError } from "./expect.ts";
export { invoke } from "./functions.ts";
export {
  createTeam,
  createUser,
  type Person,
  type Team,
  unique,
  uniqueEmail,
  uniquePhone,
} from "./people.ts";
export { addContact, addLead, timelineOf } from "./rows.ts";
export { sql } from "./sql.ts";
export { stack } from "./stack.ts";
