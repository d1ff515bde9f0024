-- Projects made before 30 October 2026 grant every new object in `public` to the API roles; later
-- ones grant nothing. The migrations must give the same result either way.

alter default privileges for role postgres in schema public
  grant all on tables to postgres, anon, authenticated, service_role;

alter default privileges for role postgres in schema public
  grant all on functions to postgres, anon, authenticated, service_role;

alter default privileges for role postgres in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;
