import { onShutdown, runInBackground } from "../_shared/background.ts";
import { storedCredentials } from "../_shared/credentials.ts";
import { connect } from "../_shared/db.ts";
import {
  baseEnvSchema,
  gatewayEnvSchema,
  messagingEnvSchema,
  metaEnvSchema,
  readEnv,
  serviceEnvSchema,
  workerEnvSchema,
} from "../_shared/env.ts";
import { createLogger } from "../_shared/log.ts";
import { createPostOutside } from "../_shared/outside.ts";
import { createGateways } from "../_shared/providers/gateways.ts";
import { createMetaClient } from "../_shared/providers/meta.ts";
import { createStorage } from "../_shared/storage.ts";
import { createWorker } from "./app.ts";
import { createDrainer } from "./drain.ts";
import { campaignHandlers } from "./handlers/campaigns.ts";
import { documentHandlers } from "./handlers/documents.ts";
import { exportHandlers } from "./handlers/exports.ts";
import { importHandlers } from "./handlers/imports.ts";
import { insightHandlers } from "./handlers/insights.ts";
import { maintenanceHandlers } from "./handlers/maintenance.ts";
import { messageHandlers } from "./handlers/messages.ts";
import { metaHandlers } from "./handlers/meta.ts";
import { paymentHandlers } from "./handlers/payments.ts";
import { reportHandlers } from "./handlers/reports.ts";
import { retentionHandlers } from "./handlers/retention.ts";
import { createDeliveries, webhookHandlers } from "./handlers/webhooks.ts";
import { createCarriers } from "./messages/carriers.ts";
import { createQueue } from "./queue.ts";

const env = readEnv(
  baseEnvSchema
    .extend(metaEnvSchema.shape)
    .extend(gatewayEnvSchema.shape)
    .extend(messagingEnvSchema.shape)
    .extend(serviceEnvSchema.shape)
    .extend(workerEnvSchema.shape),
);
const log = createLogger({ function: "worker" });
const db = connect(env.SUPABASE_DB_URL, { name: "worker", max: 10 });
const storage = createStorage({ url: env.SUPABASE_URL, key: env.SUPABASE_SERVICE_ROLE_KEY });
const facebook = storedCredentials(db, "facebook");
const meta = createMetaClient({
  baseUrl: env.META_GRAPH_URL,
  version: env.META_GRAPH_VERSION,
  credentials: async () => ({
    accessToken: (await facebook()).access_token ?? env.META_ACCESS_TOKEN,
    appSecret: env.META_APP_SECRET,
  }),
});

const { carriers, media } = createCarriers(db, env);

const drainer = createDrainer({
  queue: createQueue(db),
  handlers: {
    ...maintenanceHandlers(),
    ...retentionHandlers(db, storage),
    ...metaHandlers(db, meta),
    ...paymentHandlers(db, createGateways(db, env)),
    ...messageHandlers(db, storage, carriers, media),
    ...importHandlers(db, storage),
    ...exportHandlers(db, storage),
    ...campaignHandlers(db),
    ...insightHandlers(db, meta),
    ...webhookHandlers(
      createDeliveries(db),
      createPostOutside({ allowPrivate: env.WEBHOOKS_ALLOW_PRIVATE }),
    ),
    ...reportHandlers(db, storage),
    ...documentHandlers(db, storage),
  },
  log,
});

onShutdown(() => drainer.stop());

Deno.serve(
  createWorker({ secret: env.WORKER_SECRET, drainer, background: runInBackground, log }).fetch,
);
