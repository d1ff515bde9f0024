import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const identity: ModuleExpectations = {
  fixture: [
    `insert into public.roles (id, key, name, data_scope) values ('${ids.spareRole}', 'matrix_role', 'Matrix', 'own')`,
    `insert into public.role_permissions (role_id, permission) values ('${ids.spareRole}', 'leads.create')`,
    `insert into public.permissions (key, description) values ('matrix.see', 'Nothing')`,
  ],
  relations: {
    "public.permissions": {
      grants: { authenticated: "select", service_role: all },
      select: ["select from public.permissions where key = 'leads.create'", "- . .  + +  + +  + +"],
      insert: [
        "insert into public.permissions (key, description) values ('matrix.do', 'Nothing')",
        serviceOnly,
      ],
      update: [
        "update public.permissions set description = 'x' where key = 'leads.create'",
        serviceOnly,
      ],
      delete: ["delete from public.permissions where key = 'matrix.see'", serviceOnly],
    },
    "public.roles": {
      grants: { authenticated: "select, delete", service_role: all },
      select: ["select from public.roles where key = 'admin'", "- . .  + +  + +  + +"],
      insert: [
        "insert into public.roles (key, name, data_scope) values ('matrix_two', 'Two', 'all')",
        serviceOnly,
      ],
      update: ["update public.roles set name = 'x' where key = 'counselor'", serviceOnly],
      delete: [`delete from public.roles where id = '${ids.spareRole}'`, "- . .  . .  . .  + +"],
    },
    "public.role_permissions": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.role_permissions where role_id = '${ids.spareRole}'`,
        "- . .  + +  + +  + +",
      ],
      insert: [
        "insert into public.role_permissions (role_id, permission) select id, 'users.manage' from public.roles where key = 'counselor'",
        serviceOnly,
      ],
      update: [
        `update public.role_permissions set permission = 'users.manage' where role_id = '${ids.spareRole}'`,
        serviceOnly,
      ],
      delete: [
        `delete from public.role_permissions where role_id = '${ids.spareRole}'`,
        serviceOnly,
      ],
    },
    "public.teams": {
      grants: {
        authenticated:
          "select, insert (id, name, description, is_auto_assigned), update (name, description, is_auto_assigned), delete",
        service_role: all,
      },
      select: [`select from public.teams where id = '${ids.ownTeam}'`, "- . .  + +  + +  + +"],
      insert: ["insert into public.teams (name) values ('Matrix new')", "- x x  x x  x x  + +"],
      update: [
        `update public.teams set description = 'x' where id = '${ids.ownTeam}'`,
        "- . .  . .  . .  + +",
      ],
      delete: [`delete from public.teams where id = '${ids.spareTeam}'`, "- . .  . .  . .  + +"],
    },
    "public.profiles": {
      grants: {
        authenticated:
          "select, update (full_name, phone, department, designation, avatar_url, preferences, timezone, availability)",
        service_role: all,
      },
      select: [`select from public.profiles where id = '${ids.own}'`, "- . .  + .  + .  + +"],
      insert: [
        `insert into public.profiles (id, email, role_id) select '${ids.fresh}', 'x@matrix.test', id from public.roles where key = 'admin'`,
        "- - -  - -  - -  - 23503",
      ],
      update: [
        `update public.profiles set department = 'x' where id = '${ids.own}'`,
        "- . .  + .  . .  . +",
      ],
      "update role_id": [
        `update public.profiles set role_id = '${ids.spareRole}' where id = '${ids.own}'`,
        serviceOnly,
      ],
      "update is_active": [
        `update public.profiles set is_active = true where id = '${ids.own}'`,
        serviceOnly,
      ],
      delete: [`delete from public.profiles where id = '${ids.colleague}'`, serviceOnly],
    },
    "public.team_members": {
      grants: {
        authenticated: "select, insert (team_id, user_id, is_manager), update (is_manager), delete",
        service_role: all,
      },
      select: [
        `select from public.team_members where user_id = '${ids.own}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.team_members (team_id, user_id) values ('${ids.ownTeam}', '${ids.spareAdmin}')`,
        "- x x  x x  x x  + +",
      ],
      update: [
        `update public.team_members set is_manager = true where user_id = '${ids.own}'`,
        "- . .  . .  . .  + +",
      ],
      delete: [
        `delete from public.team_members where user_id = '${ids.colleague}'`,
        "- . .  . .  . .  + +",
      ],
    },
    "public.user_profiles": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.user_profiles where id = '${ids.own}'`, "- . .  + .  + .  + +"],
    },
  },
};
