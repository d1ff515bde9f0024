/** A project of a few lines, so that tests of the stack itself do not depend on the real one. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallProject {
  /** Holds supabase/. */
  root: string;
  /** For the stack's data, not made yet. */
  dataDir: string;
  addMigration(version: string, sql: string): Promise<void>;
  remove(): Promise<void>;
}

const CONFIG = `
project_id = "small"
[api]
schemas = ["public"]
[auth]
enable_signup = false
minimum_password_length = 8
`;

export const person = { email: "person@small.test", password: "Small-secret-1" };

const SCHEMA = `
create extension if not exists pg_cron;
create extension if not exists pg_net with schema extensions;

create table public.notes (
  id bigint generated always as identity primary key,
  owner uuid not null default auth.uid() references auth.users (id) on delete cascade,
  body text not null check (body <> ''),
  request_id text default current_setting('request.headers', true)::json ->> 'x-request-id',
  hidden text
);
alter table public.notes enable row level security;
grant select (id, owner, body, request_id), insert (body), update (body), delete on public.notes to authenticated;
create policy own on public.notes to authenticated
  using (owner = (select auth.uid())) with check (owner = (select auth.uid()));

create function public.fail_with(code text) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception 'refused' using errcode = code, detail = 'the detail', hint = 'the hint';
end $$;

create function public.context() returns json
language sql stable set search_path = '' as $$
  select json_build_object(
    'method', current_setting('request.method', true),
    'path', current_setting('request.path', true),
    'request_id', current_setting('request.headers', true)::json ->> 'x-request-id',
    'claims', current_setting('request.jwt.claims', true)::json,
    'role', current_user,
    'uid', auth.uid(),
    'timeout', current_setting('statement_timeout'),
    'read_only', current_setting('transaction_read_only'))
$$;

create table public.visits (method text, role text);

create function public.before_request() returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_wish text := current_setting('request.headers', true)::json ->> 'x-refuse';
begin
  if v_wish = 'sqlstate' then
    raise exception 'slow down' using errcode = 'PT429', detail = 'rate_limited';
  elsif v_wish = 'headers' then
    raise sqlstate 'PGRST' using
      message = '{"code": "PT429", "message": "slow down", "details": "rate_limited", "hint": null}',
      detail = '{"status": 429, "headers": {"Retry-After": "7"}}';
  elsif v_wish = 'forbidden' then
    raise exception 'no' using errcode = '42501';
  end if;
  if current_setting('transaction_read_only') = 'off' then
    insert into public.visits values (
      current_setting('request.method', true), current_setting('request.jwt.claims', true)::json ->> 'role');
  end if;
end $$;

grant execute on function public.fail_with, public.context, public.before_request to anon, authenticated;
alter role authenticator set pgrst.db_pre_request = 'public.before_request';
notify pgrst, 'reload config';

insert into storage.buckets (id, name) values ('papers', 'papers');
create policy read_papers on storage.objects for select to authenticated using (bucket_id = 'papers');
create policy write_papers on storage.objects for insert to authenticated with check (bucket_id = 'papers');
`;

/** Written as on hosted: passwords by pgcrypto, rows in both tables of Auth. */
const SEED = `
insert into auth.users (
  instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data
) values (
  '00000000-0000-0000-0000-000000000000', '00000000-0000-4000-8000-000000000001', 'authenticated', 'authenticated',
  '${person.email}', extensions.crypt('${person.password}', extensions.gen_salt('bf')), now(),
  '{"provider": "email", "providers": ["email"]}', '{}');
insert into auth.identities (user_id, provider, provider_id, identity_data) values (
  '00000000-0000-4000-8000-000000000001', 'email', '00000000-0000-4000-8000-000000000001',
  '{"sub": "00000000-0000-4000-8000-000000000001", "email": "${person.email}"}');
`;

export async function makeSmallProject(): Promise<SmallProject> {
  const root = await mkdtemp(join(tmpdir(), "small-project-"));
  // As root the database server runs as another user, who must be able to pass through.
  await chmod(root, 0o755);
  const supabase = join(root, "supabase");
  const addMigration = (version: string, sql: string) =>
    writeFile(join(supabase, "migrations", `${version}_test.sql`), sql);
  await mkdir(join(supabase, "migrations"), { recursive: true });
  await mkdir(join(supabase, "functions"), { recursive: true });
  await writeFile(join(supabase, "config.toml"), CONFIG);
  await writeFile(join(supabase, "seed.sql"), SEED);
  await addMigration("20260101000000", SCHEMA);
  return {
    root,
    dataDir: join(root, "data"),
    addMigration,
    remove: () => rm(root, { recursive: true, force: true }),
  };
}
