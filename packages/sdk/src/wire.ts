/**
 * The JSON of `/api/v1` as the outside sees it. The server's zod schemas are checked against these
 * types, the web console and the SDK use them directly. Times are ISO 8601 UTC; ids are UUIDs;
 * lengths on a page are PDF points from the upper left corner of the page as displayed. Pages count from 1.
 */

/** RFC 9457 problem. `code` is stable; `detail` is for people, in the language asked for. */
export interface Problem {
  type: string
  title: string
  status: number
  code: string
  detail: string
  requestId: string
  /** Which inputs were wrong and why, when the code is `input_invalid`. */
  errors?: { path: string; message: string }[]
}

export interface Page<Item> {
  items: Item[]
  /** Give it back as `cursor` for the next page; null at the end. */
  nextCursor: string | null
}

// ——— people and companies ———

export type SubjectKind = 'person' | 'corp'

export interface Me {
  accountId: string
  login: string
  person: Person
  /** Whom the session acts for now: the person or one of the companies. */
  acting: { kind: SubjectKind; subjectId: string; name: string; role: 'self' | 'admin' | 'member' }
  memberships: { corpId: string; corpName: string; role: 'admin' | 'member' }[]
  /** True where this installation runs simulators or a development certificate authority. */
  environment: Environment
}

export interface Environment {
  mode: 'development' | 'sandbox' | 'production'
  developmentCa: boolean
  simulators: string[]
}

export interface Person {
  id: string
  name: string | null
  /** Masked, e.g. 138****0000. */
  mobile: string | null
  email: string | null
  identity: IdentityState
}

export interface IdentityState {
  verified: boolean
  verifiedAt: string | null
  method: string | null
  provider: string | null
  /** True when a simulator gave the answer. */
  simulated: boolean
}

export interface Corp {
  id: string
  name: string
  creditCode: string
  legalRepresentative: string
  identity: IdentityState
}

export interface Member {
  personId: string
  name: string | null
  login: string
  role: 'admin' | 'member'
  active: boolean
}

export interface App {
  appId: string
  name: string
  environment: 'sandbox' | 'production'
  callbackUrl: string | null
  active: boolean
  createdAt: string
}

/** Only the answer to creation or rotation carries the secret. */
export interface AppWithSecret extends App {
  appSecret: string
}

// ——— seals ———

export type SealKind = 'official' | 'contract' | 'finance' | 'legal-representative' | 'personal'

export interface Seal {
  id: string
  kind: SealKind
  name: string
  status: 'active' | 'disabled'
  widthMm: number
  heightMm: number
  createdAt: string
  /** Scenes in which this seal signs without a code. */
  freeSignScenes: { businessId: string; name: string; expiresAt: string | null }[]
}

// ——— files ———

export interface FileInfo {
  id: string
  name: string
  sizeBytes: number
  sha256: string
  pageCount: number
  pages: { widthPt: number; heightPt: number }[]
  /** Signatures the file already carried when it was uploaded. */
  signatureCount: number
  createdAt: string
}

export interface KeywordPosition {
  page: number
  x: number
  y: number
  width: number
  height: number
}

// ——— sign tasks ———

export type TaskStatus = 'draft' | 'signing' | 'finished' | 'rejected' | 'canceled' | 'expired'
export type ActorRole = 'sign' | 'cc'
export type ActorStatus = 'waiting' | 'ready' | 'viewed' | 'signing' | 'signed' | 'rejected' | 'notified'
export type FieldKind = 'seal' | 'signature' | 'date'

export interface ActorInput {
  /** The caller's own name for the actor inside this task, e.g. "buyer". */
  ref: string
  kind: SubjectKind
  role: ActorRole
  /** Company name, or the person's real name. */
  name: string
  /** A known company or person; otherwise whoever proves name and contact. */
  subjectId?: string
  /** Where the link and the codes go. A company actor needs its contact too, unless it signs freely. */
  mobile?: string
  email?: string
  /** Position in the order, from 1; equal numbers sign in parallel. */
  order?: number
  sealId?: string
  /** Scene code: the company's granted seal signs at once without a code. */
  freeSignBusinessId?: string
}

export type FieldPosition =
  | { page: number; x: number; y: number; width?: number; height?: number }
  | {
      keyword: string
      occurrence?: number | 'all'
      offsetX?: number
      offsetY?: number
      width?: number
      height?: number
    }

export interface FieldInput {
  documentRef: string
  actorRef: string
  kind: FieldKind
  position: FieldPosition
}

export interface SignTaskInput {
  title: string
  documents: { ref: string; fileId: string; name?: string }[]
  actors: ActorInput[]
  fields: FieldInput[]
  /** Whether `order` binds; false lets all sign at once. */
  ordered?: boolean
  deadline?: string
  /** Start at once after creation. */
  autoStart?: boolean
  /** The caller's own reference, given back in callbacks. */
  reference?: string
}

export interface SignTaskSummary {
  id: string
  title: string
  status: TaskStatus
  initiator: { subjectId: string; name: string }
  actors: { actorId: string; name: string; kind: SubjectKind; role: ActorRole; status: ActorStatus }[]
  /** What the acting subject may do now. */
  myActorId: string | null
  myTurn: boolean
  deadline: string | null
  createdAt: string
  updatedAt: string
}

export interface Actor {
  actorId: string
  ref: string
  kind: SubjectKind
  role: ActorRole
  name: string
  subjectId: string | null
  /** Masked contact. */
  contact: string | null
  order: number
  status: ActorStatus
  freeSign: boolean
  signedAt: string | null
  certificateSerial: string | null
  rejectReason: string | null
}

export interface Field {
  fieldId: string
  documentId: string
  actorId: string
  kind: FieldKind
  page: number
  x: number
  y: number
  width: number
  height: number
}

export interface TaskDocument {
  documentId: string
  ref: string
  name: string
  pageCount: number
  pages: { widthPt: number; heightPt: number }[]
  /** Of the current revision. */
  sha256: string
  sizeBytes: number
  revision: number
}

export interface SignTask extends SignTaskSummary {
  ordered: boolean
  reference: string | null
  documents: TaskDocument[]
  actorDetails: Actor[]
  fields: Field[]
  endReason: string | null
  startedAt: string | null
  finishedAt: string | null
}

export interface TaskEvent {
  seq: number
  type: string
  at: string
  actor: { kind: string; name: string | null }
  data: Record<string, unknown>
  hash: string
  /** Position in the transparency log once integrated. */
  logIndex: number | null
}

// ——— the signing ceremony ———

/** What anyone holding the link may know: it locates the task and opens nothing. */
export interface CeremonyCover {
  taskTitle: string
  initiatorName: string
  taskStatus: TaskStatus
  deadline: string | null
  actor: {
    kind: SubjectKind
    role: ActorRole
    nameMasked: string
    contactMasked: string | null
    status: ActorStatus
  }
  /** Where the log-in code can be sent. */
  channel: 'sms' | 'mail' | null
  environment: Environment
}

export type CeremonyStep =
  | 'log-in'
  | 'prove-identity'
  | 'wrong-person'
  | 'wait'
  | 'read-and-sign'
  | 'done'
  | 'rejected'
  | 'closed'

/** What the logged-in actor sees; `step` says what is next. */
export interface Ceremony {
  step: CeremonyStep
  cover: CeremonyCover
  /** Filled from `read-and-sign` on. */
  task: {
    id: string
    title: string
    documents: TaskDocument[]
    fields: (Field & { mine: boolean; signed: boolean })[]
    actors: {
      name: string
      kind: SubjectKind
      role: ActorRole
      status: ActorStatus
      order: number
      mine: boolean
    }[]
  } | null
  me: { personId: string; name: string | null; contactMasked: string | null; identity: IdentityState } | null
  /** Seals the actor may choose (company actors). */
  seals: { id: string; name: string; kind: SealKind }[]
  /** Stored handwriting of the person, newest first. */
  signatures: { id: string; svg: string }[]
  /** The sentence the signer consents to, in the language asked for. */
  consentText: string
}

/** A drawn signature: strokes in device-independent units, pressure 0..1. */
export interface Handwriting {
  width: number
  height: number
  strokes: { points: { x: number; y: number; t: number; pressure: number }[] }[]
}

export interface SignInput {
  /** One-time code just sent to the signer. */
  code: string
  consent: true
  /** SHA-256 of each document as read by the signer: nothing else gets signed. */
  documents: { documentId: string; sha256: string }[]
  sealId?: string
  handwriting?: Handwriting
  signatureId?: string
  /** Keep the drawn signature for next time. */
  keepSignature?: boolean
}

export interface SignResult {
  status: 'signed'
  taskStatus: TaskStatus
  signedAt: string
  certificateSerial: string
  documents: { documentId: string; sha256: string }[]
}

// ——— verification ———

export interface VerificationReport {
  ok: boolean
  fileName: string | null
  sha256: string
  /** Whether this installation produced the file, and as which task. */
  knownHere: boolean
  signatures: {
    status: 'valid' | 'invalid' | 'indeterminate'
    signer: string
    signedAt: string | null
    timestamp: string | null
    level: string
    coversWholeDocument: boolean
    changesAfter: string
    trusted: boolean | null
    problems: { code: string; message: string }[]
  }[]
  /** Pages that revisions after the first signature changed, oldest first; signatures that show themselves included. */
  pageChanges: {
    /** How far the revision went. */
    level: 'none' | 'validation' | 'signatures' | 'form' | 'annotations' | 'other'
    /** From 1; null where the page was added. */
    pageBefore: number | null
    /** From 1; null where the page was removed. */
    pageAfter: number | null
    /** In points from the lower left corner of the page as displayed; empty when it may be anywhere. */
    areas: { x: number; y: number; width: number; height: number }[]
    /** The file before the revision is its first so many bytes, and with it. */
    beforeBytes: number
    afterBytes: number
  }[]
}

// ——— service level ———

export type SlaService = 'frontend' | 'backend' | 'upload' | 'signing' | 'certificate'

export interface SlaVerdict {
  totalMinutes: number
  maintenanceMinutes: number
  downMinutes: number
  /** up / (up + down), not rounded; null when the whole month was maintenance. */
  availability: number | null
  pass: boolean
  /** Not cut at the month's edges; `to` is the minute after the last. */
  runs: { from: string; to: string; minutes: number }[]
  /** Minutes of the month of which something is known. */
  knownMinutes: number
  /** Whole minutes that the month may be down. */
  allowedDownMinutes: number
}

export interface SlaServiceMonth {
  service: SlaService
  /** 0 while the month is open. */
  revision: number
  verdict: SlaVerdict
}

export interface SlaTenantMonth {
  month: string
  timeZone: string
  /** Every service has its closing revision. */
  closed: boolean
  /** False for the month in which measuring began: it is shown, and no service period. */
  servicePeriod: boolean
  services: SlaServiceMonth[]
}

export interface SlaMonth extends SlaTenantMonth {
  revisions: {
    service: SlaService
    revision: number
    reason: string
    madeBy: string
    madeAt: string
    downMinutes: number
    availability: number | null
  }[]
}

export interface SlaMaintenance {
  id: string
  services: SlaService[]
  from: string
  /** The minute after its last, as announced. */
  to: string
  textZh: string
  textEn: string
  announcedAt: string
  withdrawnAt: string | null
}

/** Why a minute counted as it did. */
export interface SlaMinute {
  service: SlaService
  minute: string
  revision: number
  state: 'good' | 'bad' | 'maintenance' | 'unknown'
  counted: 'down' | 'up' | 'excluded'
  /** Where its figures come from; null while nothing is known. */
  source: 'correction' | 'traffic' | 'probe' | 'nothing' | null
  valid: number
  ok: number
  run: { from: string; to: string; minutes: number } | null
  /** What people's requests came to; `late` and `rejected` ones are not among the others. */
  traffic: {
    ok: number
    errors: number
    slow: number
    broken: number
    excluded: number
    late: number
    rejected: number
  }
  probes: {
    vantage: string
    official: boolean
    ok: boolean
    latencyMs: number
    detail: string | null
    late: boolean
    rejected: boolean
  }[]
  /** Server processes that say they lived through it. */
  processes: number
  maintenance: SlaMaintenance[]
}

/** The status page as data. */
export interface PublicStatus {
  format: 'yinxin.status/1'
  madeAt: string
  services: {
    service: SlaService
    /** `unknown`: no process has reported in the last minutes. */
    state: 'up' | 'down' | 'maintenance' | 'unknown'
    /** Ninety days of Beijing, the last of them today; null where nothing was measured. */
    days: { day: string; downMinutes: number | null }[]
  }[]
  incidents: {
    number: number
    class: 'general' | 'severe'
    titleZh: string
    titleEn: string
    services: SlaService[]
    beganAt: string
    resolvedAt: string | null
    updates: { at: string; textZh: string; textEn: string }[]
  }[]
  maintenance: {
    services: SlaService[]
    from: string
    to: string
    textZh: string
    textEn: string
    withdrawn: boolean
  }[]
}

/** A monthly report of the service level; a month that is revised gets a new one. */
export interface SlaReportSummary {
  month: string
  revision: number
  createdAt: string
  verdict: 'met' | 'not_met' | 'no_service_period'
  /** Of the report as JSON. */
  sha256: string
}

/** Every clause of the agreement with what was measured; the note signs the SHA-256 of `statement` as canonical JSON. */
export interface SignedPromises {
  statement: {
    format: 'yinxin.promises/1'
    madeAt: string
    environment: { mode: string; developmentCa: boolean; simulators: string[] }
    rows: {
      /** `3.8/signing`: the clause, and what of it. */
      key: string
      clause: string
      title: { zh: string; en: string }
      promised: { zh: string; en: string }
      /** `stale` and `unmeasured` are neither kept nor broken. */
      state: 'met' | 'missed' | 'stale' | 'unmeasured'
      measured: { zh: string; en: string }
      how: { zh: string; en: string }
      measuredAt: string | null
      staleAfterMinutes: number | null
      evidence: string | null
    }[]
  }
  note: string
}

/** An incident as the status page tells of it. */
export interface PublicIncident {
  number: number
  class: 'general' | 'severe'
  titleZh: string
  titleEn: string
  services: SlaService[]
  beganAt: string
  detectedAt: string
  acknowledgedAt: string | null
  resolvedAt: string | null
  updates: { at: string; kind: string; textZh: string; textEn: string }[]
}

/** An incident in which requests of the acting subject failed. */
export interface OwnIncident extends Omit<PublicIncident, 'updates'> {
  failedRequests: number
  validRequests: number
}

/** One of the three is needed. */
export interface DiagnosisQuestion {
  code?: string
  requestId?: string
  link?: string
}

export interface Diagnosis {
  diagnosisId: string
  findings: {
    about: 'platform' | 'code' | 'request' | 'link' | 'browser'
    /** `yours` can be mended by whoever asks, `ours` only by the platform. */
    verdict: 'ok' | 'yours' | 'ours'
    code: string | null
    problem: string
    advice: string[]
  }[]
}

export interface SlaProbeReport {
  /** Where the probe stands, in the words of who runs it. */
  vantage: string
  /** By its own clock, when it sends this. */
  sentAt: string
  results: {
    /** A UUID; a result sent twice counts once. */
    id: string
    service: SlaService
    at: string
    ok: boolean
    latencyMs: number
    detail?: string
  }[]
}

export interface SlaProbeAnswer {
  /** False for a customer's own probe: it is shown beside the operator's. */
  official: boolean
  /** False when the clock of the probe is off. */
  accepted: boolean
  /** Services that nobody used in the minute that ended last: there the probes must speak. */
  quiet: SlaService[]
}

// ——— sandbox ———

export interface OutboxMessage {
  id: string
  channel: 'sms' | 'mail'
  to: string
  subject: string | null
  body: string
  /** The one-time code in the message, when it carries one. */
  code: string | null
  /** The link in the message, when it carries one. */
  link: string | null
  at: string
}

// ——— destruction ———

export type DestructionState =
  | 'REQUESTED'
  | 'CONSENT_PENDING'
  | 'APPROVED'
  | 'COOLING_OFF'
  | 'HOLD_CHECK'
  | 'SHREDDING'
  | 'VERIFYING'
  | 'DESTROYED_PROVISIONAL'
  | 'DESTROYED_FINAL'
  | 'REJECTED'
  | 'CANCELLED'
  | 'BLOCKED_BY_HOLD'

/** `own`: the asking party's access. `term-end` and `consent`: the contract itself. */
export type DestructionBasis = 'own' | 'term-end' | 'consent'

export interface DestructionInput {
  basis: DestructionBasis
  /** One-time code sent by `…/destruction/code`. */
  code: string
  /** The agreed date; without it at once (`own`), or when the cooling-off is over. */
  at?: string
  /** With `consent`: what follows when a party refuses. `own-access` when not said. */
  otherwise?: 'own-access' | 'nothing'
}

export interface Destruction {
  id: string
  taskId: string
  basis: DestructionBasis
  extent: 'access' | 'contract'
  state: DestructionState
  /** Whether the acting subject asked for it. */
  mine: boolean
  cancellable: boolean
  requestedAt: string
  approvedAt: string | null
  /** When it begins. */
  dueAt: string | null
  promisedAt: string | null
  agreementTaskId: string | null
  shreddedAt: string | null
  provisionalAt: string | null
  finalAt: string | null
  /** Why it does not go on, as a stable code: the last failure. */
  problem: string | null
  /** Failures of the present step; it is tried again ever later, up to an hour apart. */
  attempts: number
  nextTryAt: string | null
  history: { state: DestructionState; at: string }[]
  certificates: { stage: 'provisional' | 'final'; number: string; sha256: string; ready: boolean }[]
}

export interface DestructionOverview {
  requests: Destruction[]
  holds: { basis: 'court' | 'regulator' | 'dispute'; placedAt: string }[]
  /** When the service of the acting company ended. */
  termEndedAt: string | null
  coolingOffDays: number
}

export interface RetiredMedium {
  id: string
  device: string
  serial: string
  domain: string | null
  method: string
  standard: string
  proofName: string
  proofSha256: string
  retiredAt: string
  recordedAt: string
}

// ——— custody: where everything is, and how safe that is ———

export type Site = 'primary' | 'recovery'

/** A difference from the promise, or what keeps it from being met; `code` is stable. */
export interface Shortcoming {
  code: string
  zh: string
  en: string
}

/** One failure domain and what of the contract, or of the subject's files, was verified to lie there. */
export interface PlaceCopies {
  name: string
  /** Physical device or bucket region; places with the same one fail together. */
  device: string | null
  replicas: number
  good: number
  sizeBytes: number
  /** The least recent last verification of the replicas here; null while one was never verified. */
  verifiedAt: string | null
  /** `new`: written so lately that its first verification is still to come. `stale`: not verified in time. */
  freshness: 'fresh' | 'new' | 'stale' | 'bad'
}

export interface SiteCopies {
  site: Site
  /** Good copies of the object that has the fewest here; three are promised. */
  copies: number
  devices: number
  sizeBytes: number
  places: PlaceCopies[]
}

export interface DatabaseCopy {
  cluster: 'main' | 'keys'
  name: string
  /** `unknown` for copies of an outside PostgreSQL. */
  site: Site | 'unknown'
  role: 'primary' | 'standby'
  state: 'running' | 'streaming' | 'catching-up' | 'making' | 'down' | 'missing' | 'unknown'
  /** Log that this copy has not applied yet; null where it cannot be told. */
  lagBytes: number | null
  replayedAt: string | null
  device: string | null
}

/** Values of the last verification and of the databases' own state, never of settings. */
export interface Copies {
  objects: number
  /** Destroyed on request; nothing of them lies anywhere. */
  destroyed: number
  sites: SiteCopies[]
  /** Null where the databases are run by somebody else and cannot be seen. */
  database: DatabaseCopy[] | null
  drift: Shortcoming[]
  measuredAt: string
}

export interface DurabilityReport {
  format: 'yinxin.durability-report/1'
  measurements: {
    /** `YYYY-MM` in Asia/Shanghai. */
    month: string
    from: string
    to: string
    /** False: no service period of the agreement. */
    wholeMonth: boolean
    samples: number
    devices: { failures: number; deviceMonths: number }
    repairs: { count: number; p99Hours: number | null; maxHours: number | null; waiting: number }
    detectHours: number
    unverifiedHours: number | null
    sites: { site: Site; devices: string[]; w: number; n: number }[]
    sitesApart: 'seen' | 'declared' | 'unknown'
    exposure: { objectHours: number; oneSiteHours: number }
    keyCopies: { name: string; site: string; device: string | null }[] | null
    rootKeyCopies: { copies: number; declared: boolean }
    objects: { heldWholePeriod: number; held: number; lost: number; comparedAt: string | null }
  }
  assumptions: { afr: number; latentAfr: number; repairHours: number; siteLossPerYear: number }
  failures: {
    afr: number
    basis: 'measured' | 'assumed'
    measured: number | null
    lower: number
    upper: number | null
    assumed: number
  }
  figures: {
    u: number
    windowHours: number
    uPrime: number
    latentWindowHours: number
    latentUPrime: number
    bySite: { site: string; devices: number; w: number; n: number; loss: number; nines: number | null }[]
    disk: number
    latent: number
    site: number
    key: number
    rootKey: number
    model: number
    nines: number | null
    actual: number | null
  }
  /** Loss per month of 1e-11: eleven nines. */
  design: { limit: number; met: boolean }
  /** Loss per month of 1e-10: one in 10,000,000,000 contracts. */
  contract: { limit: number; met: boolean }
  verdict: 'met' | 'not_met'
  reasons: Shortcoming[]
}

/** The figure of the last thirty days until now. */
export interface DurabilityNow {
  createdAt: string
  report: DurabilityReport
}

/** A report that was made of a month; corrections are new revisions. */
export interface DurabilityReportSummary {
  month: string
  revision: number
  createdAt: string
  verdict: 'met' | 'not_met'
  /** Of the report as JSON, which is also a leaf of the transparency log. */
  sha256: string
}

/** What `GET /api/v1/durability/reports/{month}` answers, byte for byte as it stands in the log. */
export interface PublishedDurabilityReport {
  type: 'report.durability'
  id: string
  month: string
  revision: number
  createdAt: string
  environment: Environment
  report: DurabilityReport
}
