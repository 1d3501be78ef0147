// The door of the job service: the handler, listening, and the client that does its operations.
export {
  type AccessOptions,
  type Caller,
  type Scope,
  SCOPES,
  type TokenOptions,
} from "./access.ts";
export { createHttpOperations } from "./client/client.ts";
export type { HttpOperationsOptions } from "./client/send.ts";
export {
  type JobService,
  type JobServiceOptions,
  type ServiceOperations,
  createJobService,
} from "./service.ts";
export {
  DEFAULT_HOST,
  DEFAULT_PORT,
  type ListenOptions,
  type ListeningService,
  createNodeListener,
  listenJobService,
} from "./listen.ts";
export type { ProblemCode, ProblemDocument } from "./problem.ts";
