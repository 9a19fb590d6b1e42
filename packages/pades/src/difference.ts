import {
  annotationChange,
  annotationGrowth,
  appearanceOfAnnotation,
  isAnnotationList,
} from './annotations.ts'
import { catalogOf, entryOf, fetchObject, resolve } from './file.ts'
import {
  dictOf,
  eachRef,
  isDict,
  isRef,
  isStream,
  nameOf,
  type PdfDict,
  type PdfRef,
  type PdfValue,
  sameValue,
} from './objects.ts'
import { numbersOf, type Revision } from './revisions.ts'
import { isSignatureValue } from './signature-fields.ts'
import {
  type ChangeFinding,
  type ChangeLevel,
  createStep,
  differingKeys,
  fieldName,
  holderOf,
  inherited,
  mayWalk,
  reachableSet,
  referrersOf,
  type Step,
  type StepDifference,
  type WalkBudget,
  worse,
} from './step.ts'
import type { XrefEntry } from './xref.ts'

/**
 * Compares one revision with the one before it, object by object. Only what a rule of the whitelist clears is
 * allowed; the rest is `other`. `dangling` are numbers that older objects already pointed to in vain.
 */
export function compareRevisions(
  older: Revision,
  newer: Revision,
  dangling: ReadonlySet<number>,
  budget: WalkBudget,
): StepDifference {
  const step = createStep(older, newer, budget)
  for (const num of numbersOf(newer)) collect(step, num, dangling)
  const findings: ChangeFinding[] = []
  compareTrailers(step, findings)
  const cleared = new Set<number>()
  compareCatalogs(step, findings, cleared)
  for (const [num, old] of step.changed) {
    if (cleared.has(num)) continue
    for (const finding of judge(step, num, old)) if (finding.level !== 'none') findings.push(finding)
  }
  const level = findings.reduce<ChangeLevel>((worst, finding) => worse(worst, finding.level), 'none')
  return { level, changed: [...step.changed.keys()], findings }
}

function collect(step: Step, num: number, dangling: ReadonlySet<number>): void {
  const oldEntry = entryOf(step.before, num)
  const newEntry = entryOf(step.after, num)
  if (sameEntry(oldEntry, newEntry)) return
  const old = oldEntry && oldEntry.type !== 'free' ? fetchObject(step.before, num) : null
  if (old === null) {
    if (newEntry === undefined || newEntry.type === 'free') return
    // Something already pointed here: the object is not merely new, it changes what that shows.
    if (dangling.has(num)) step.changed.set(num, null)
    else step.added.add(num)
    return
  }
  if (!sameValue(old, fetchObject(step.after, num))) step.changed.set(num, old)
}

function sameEntry(a: XrefEntry | undefined, b: XrefEntry | undefined): boolean {
  if (!a || !b) return a === b
  if (a.type === 'offset') return b.type === 'offset' && a.offset === b.offset
  // The same place in an object stream is the same object only if that stream is; compare by value instead.
  return a.type === 'free' && b.type === 'free'
}

function compareTrailers(step: Step, findings: ChangeFinding[]): void {
  const report = (rule: string) => findings.push({ object: 0, level: 'other', rule })
  if (step.after.trailer.has('Encrypt')) report('trailer.encrypt')
}

const CATALOG_KEYS = new Set(['DSS', 'Extensions', 'Metadata', 'Version', 'MarkInfo'])

function compareCatalogs(step: Step, findings: ChangeFinding[], cleared: Set<number>): void {
  const root = catalogOf(step.after).ref.num
  // The catalogue may move to another object; what it says is compared, not where it stands.
  const before = dictOf(fetchObject(step.before, catalogOf(step.before).ref.num))
  const after = dictOf(fetchObject(step.after, root))
  if (!before || !after) {
    findings.push({ object: root, level: 'other', rule: 'catalog.missing' })
    return
  }
  cleared.add(root)
  for (const key of differingKeys(before, after)) {
    if (key === 'AcroForm') continue
    if (key === 'Perms' && isCertificationAdded(step, before, after)) continue
    const level = CATALOG_KEYS.has(key) ? 'validation' : 'other'
    findings.push({ object: root, level, rule: `catalog.${key}` })
  }
  compareForms(step, before.get('AcroForm'), after.get('AcroForm'), root, findings, cleared)
  clearMetadata(step, root, after, cleared, findings)
}

/** A certification may add /Perms, but nothing may change one that is there. */
function isCertificationAdded(step: Step, before: PdfDict, after: PdfDict): boolean {
  const perms = resolve(step.after, after.get('Perms'))
  return !before.has('Perms') && isDict(perms) && [...perms.keys()].every((key) => key === 'DocMDP')
}

/**
 * Metadata, document information and validation data may change, as long as nothing else in the document uses
 * the same objects: a page's content could otherwise be dressed up as any of them.
 */
function clearMetadata(
  step: Step,
  root: number,
  catalog: PdfDict,
  cleared: Set<number>,
  findings: ChangeFinding[],
): void {
  const allow = (num: number, key: string, owners: ReadonlySet<number>) => {
    if (!step.changed.has(num) || !belongsTo(step, num, key, owners, root, catalog)) return
    cleared.add(num)
    findings.push({ object: num, level: 'validation', rule: key })
  }
  const metadata = catalog.get('Metadata')
  if (isRef(metadata) && isStream(fetchObject(step.after, metadata.num))) {
    allow(metadata.num, 'Metadata', new Set([root]))
  }
  const info = step.after.trailer.get('Info')
  if (isRef(info) && isDict(fetchObject(step.after, info.num)))
    allow(info.num, 'Info', trailersNaming(step, info.num))
  const dss = catalog.get('DSS')
  const own = containersOf(step, dss)
  for (const num of own) if (!isStream(step.changed.get(num))) allow(num, 'DSS', new Set([...own, root]))
}

/** Cross-reference streams of the chain that name an object as document information, and nowhere else. */
function trailersNaming(step: Step, num: number): Set<number> {
  const naming = new Set<number>()
  if (!step.changed.has(num) || !mayWalk(step)) return naming
  const offsets = new Set<number>()
  for (const { offset, hybrid } of step.after.sections) offsets.add(offset).add(hybrid?.offset ?? offset)
  for (const referrer of referrersOf(step).get(num) ?? []) {
    const entry = entryOf(step.after, referrer)
    const stream = fetchObject(step.after, referrer)
    if (entry?.type !== 'offset' || !offsets.has(entry.offset) || !isStream(stream)) continue
    let elsewhere = false
    for (const [key, value] of stream.dict) {
      if (key === 'Info') continue
      eachRef(value, (ref) => {
        if (ref.num === num) elsewhere = true
      })
    }
    if (!elsewhere) naming.add(referrer)
  }
  return naming
}

/** The dictionaries and arrays that make up the store of validation data, by object number. */
function containersOf(step: Step, dss: PdfValue | undefined): Set<number> {
  const own = new Set<number>()
  const note = (value: PdfValue | undefined, depth: number) => {
    if (isRef(value)) {
      if (own.has(value.num) || depth > 4) return
      const target = fetchObject(step.after, value.num)
      if (isStream(target)) return
      own.add(value.num)
      note(target, depth + 1)
    } else if (Array.isArray(value)) for (const item of value) note(item, depth + 1)
    else if (isDict(value)) for (const item of value.values()) note(item, depth + 1)
  }
  note(dss, 0)
  return own
}

/** True if only these owners refer to the object, and the catalogue only by this key. */
function belongsTo(
  step: Step,
  num: number,
  key: string,
  owners: ReadonlySet<number>,
  root: number,
  catalog: PdfDict,
): boolean {
  if (!mayWalk(step)) return false
  for (const referrer of referrersOf(step).get(num) ?? []) if (!owners.has(referrer)) return false
  let elsewhere = false
  for (const [name, value] of owners.has(root) ? catalog : []) {
    if (name === key) continue
    eachRef(value, (ref) => {
      if (ref.num === num) elsewhere = true
    })
  }
  return !elsewhere
}

function compareForms(
  step: Step,
  before: PdfValue | undefined,
  after: PdfValue | undefined,
  root: number,
  findings: ChangeFinding[],
  cleared: Set<number>,
): void {
  const old = resolve(step.before, before)
  const now = resolve(step.after, after)
  const place = isRef(after) ? after.num : root
  if (isRef(after)) cleared.add(after.num)
  if (sameValue(old, now) && !isRef(dictOf(now)?.get('Fields'))) return
  if (!isDict(now)) {
    findings.push({ object: place, level: 'other', rule: 'form.removed' })
    return
  }
  const oldDict = dictOf(old) ?? new Map<string, PdfValue>()
  for (const key of differingKeys(oldDict, now)) {
    if (key === 'Fields' || key === 'SigFlags') continue
    // Default resources and appearance matter only to fields that are rebuilt; XFA replaces the whole form.
    const level = key === 'DR' || key === 'DA' ? 'validation' : key === 'NeedAppearances' ? 'form' : 'other'
    findings.push({ object: place, level, rule: `form.${key}` })
  }
  const fieldsValue = now.get('Fields')
  if (isRef(fieldsValue)) cleared.add(fieldsValue.num)
  const oldFields = resolve(step.before, oldDict.get('Fields'))
  const newFields = resolve(step.after, fieldsValue)
  const grown = growth(
    step,
    Array.isArray(oldFields) ? oldFields : [],
    Array.isArray(newFields) ? newFields : [],
  )
  if (grown !== 'none') findings.push({ object: place, level: grown, rule: 'form.fields' })
}

/** What it means that a list grew from `old` to `now`: only new signature fields may be added, nothing removed. */
function growth(step: Step, old: readonly PdfValue[], now: readonly PdfValue[]): ChangeLevel {
  let at = 0
  let level: ChangeLevel = 'none'
  for (const item of now) {
    if (at < old.length && sameValue(item, old[at])) at++
    else level = worse(level, isRef(item) ? newField(step, item) : 'other')
  }
  if (level !== 'none' && old.some((item) => isPageNode(step, item))) return 'other'
  return at === old.length ? level : 'other'
}

/** Judges a field or widget that was not there before. */
function newField(step: Step, ref: PdfRef): ChangeLevel {
  if (!step.added.has(ref.num)) return 'other'
  const dict = dictOf(fetchObject(step.after, ref.num))
  if (!dict) return 'other'
  const owner = nameOf(resolve(step.after, dict.get('FT')))
    ? dict
    : dictOf(resolve(step.after, dict.get('Parent')))
  if (nameOf(resolve(step.after, owner?.get('FT'))) !== 'Sig') return 'other'
  const kind = nameOf(resolve(step.after, dict.get('Type')))
  // What looks like a page could be shown as one.
  if ((kind !== undefined && kind !== 'Annot') || dict.has('MediaBox') || dict.has('Resources'))
    return 'other'
  // Actions have no business on a signature, and an unsigned field that draws something is a disguise.
  if (dict.has('A') || dict.has('AA')) return 'other'
  const value = dictOf(resolve(step.after, owner?.get('V')))
  if (!value || !isSignatureValue(step.after, value)) return drawsNothing(step, dict) ? 'signatures' : 'other'
  return nameOf(resolve(step.after, value.get('Type'))) === 'DocTimeStamp' ? 'validation' : 'signatures'
}

/** Whether a widget has no appearance, or a new one without any data, as other tools give to a field that waits. */
function drawsNothing({ after, added }: Step, widget: PdfDict): boolean {
  if (!widget.has('AP')) return true
  const appearance = dictOf(widget.get('AP'))
  const normal = appearance?.get('N')
  if (appearance?.size !== 1 || !isRef(normal) || !added.has(normal.num)) return false
  const stream = fetchObject(after, normal.num)
  if (!isStream(stream) || stream.end !== stream.start) return false
  // With /F the data is in another file.
  return stream.dict.get('Length') === 0 && !stream.dict.has('F') && !stream.dict.has('Filter')
}

function judge(step: Step, num: number, old: PdfValue): ChangeFinding[] {
  const now = fetchObject(step.after, num)
  const say = (level: ChangeLevel, rule: string): ChangeFinding[] => [{ object: num, level, rule }]
  if (Array.isArray(old) && Array.isArray(now)) {
    const level = growth(step, old, now)
    if (level !== 'other') return say(level, 'array.grown')
    if (mayWalk(step) && isAnnotationList(step, num)) {
      const annotated = annotationGrowth(step, old, now, num, newField)
      if (annotated) return annotated
    }
  }
  if (isDict(old) && isDict(now)) {
    if (typeOf(old) === 'Page') return pageFindings(step, num, old, now)
    const field = fieldLevel(step, old, now)
    if (field) return [{ object: num, level: field, rule: 'field', field: fieldName(step.before, old) }]
    const annotated = mayWalk(step) ? annotationChange(step, num, old, now) : undefined
    if (annotated) return annotated
  }
  // When the walks are used up, what no rule has cleared yet counts as changed.
  if (!mayWalk(step)) return say('other', 'object.changed')
  if (isAppearanceOnly(step, num)) return say('form', 'appearance')
  if (!reachableSet(step).has(num)) return say('none', 'unreachable')
  const drawn = appearanceOfAnnotation(step, num)
  if (drawn) return drawn
  return say('other', now === null ? 'object.removed' : 'object.changed')
}

/** A list of pages is never a list of fields, whatever is added to it. */
function isPageNode(step: Step, item: PdfValue): boolean {
  const dict = dictOf(resolve(step.before, item))
  const type = nameOf(dict?.get('Type'))
  return type === 'Page' || type === 'Pages' || dict?.has('MediaBox') === true
}

function typeOf(value: PdfValue): string | undefined {
  return nameOf(dictOf(value)?.get('Type'))
}

/** Of a page only the annotations may change: by signature widgets added, or as a certification may permit. */
function pageFindings(step: Step, num: number, old: PdfDict, now: PdfDict): ChangeFinding[] {
  const other: ChangeFinding = { object: num, level: 'other', rule: 'page' }
  if (differingKeys(old, now).some((key) => key !== 'Annots')) return [other]
  const list = (value: PdfValue) => (Array.isArray(value) ? value : [])
  const before = list(resolve(step.before, old.get('Annots')))
  const after = list(resolve(step.after, now.get('Annots')))
  const level = growth(step, before, after)
  if (level !== 'other') return [{ ...other, level }]
  return annotationGrowth(step, before, after, num, newField) ?? [other]
}

const SIGNATURE_KEYS = new Set(['V', 'AP', 'AS', 'M', 'F', 'DA', 'MK', 'Type', 'P'])
const VALUE_KEYS = new Set(['V', 'AP', 'AS', 'M', 'DV', 'I', 'RV', 'MK'])

/** Judges a changed field or widget; undefined if it is neither. */
function fieldLevel(step: Step, old: PdfDict, now: PdfDict): ChangeLevel | undefined {
  const type = inherited(step.before, old, 'FT')
  if (type === undefined) {
    // A node of the field tree without type of its own: it may gain signature fields.
    if (!old.has('Kids') || !old.has('T')) return undefined
    if (differingKeys(old, now).some((key) => key !== 'Kids')) return 'other'
    const before = resolve(step.before, old.get('Kids'))
    const after = resolve(step.after, now.get('Kids'))
    return growth(step, Array.isArray(before) ? before : [], Array.isArray(after) ? after : [])
  }
  if (!sameValue(type, inherited(step.after, now, 'FT') ?? null)) return 'other'
  const keys = differingKeys(old, now)
  if (nameOf(type) !== 'Sig') {
    // Another appearance of the same value shows what nobody filled in.
    const disguised = keys.includes('AP') && !isValueChanged(step, old, now)
    return keys.every((key) => VALUE_KEYS.has(key)) && !disguised ? 'form' : 'other'
  }
  // A signature that is there stays as it is; an empty field may be signed, once, by something new.
  if (inherited(step.before, old, 'V') !== undefined) return 'other'
  if (!keys.every((key) => SIGNATURE_KEYS.has(key))) return 'other'
  // A widget below its field is signed by the field's value.
  const value = holderOf(step.after, now, 'V')?.get('V')
  if (!isSignatureValue(step.after, value)) return keys.includes('AP') ? 'other' : 'signatures'
  return !isRef(value) || step.added.has(value.num) ? 'signatures' : 'other'
}

function isValueChanged(step: Step, old: PdfDict, now: PdfDict): boolean {
  return !sameValue(inherited(step.before, old, 'V') ?? null, inherited(step.after, now, 'V') ?? null)
}

/** Whether this very step signs a field that waited: only then may what it shows change. */
function isSignedNow({ before, after }: Step, widget: PdfDict): boolean {
  if (inherited(before, widget, 'V') !== undefined) return false
  const value = dictOf(inherited(after, widget, 'V'))
  return value !== undefined && isSignatureValue(after, value)
}

/** True if the object hangs only in the appearances of form fields that carry no signature and changed their value. */
function isAppearanceOnly(step: Step, num: number): boolean {
  const referrers = referrersOf(step).get(num)
  if (!referrers || referrers.size === 0) return false
  for (const referrer of referrers) {
    const dict = dictOf(fetchObject(step.after, referrer))
    if (!dict) return false
    const type = nameOf(inherited(step.after, dict, 'FT'))
    if (type === undefined || (type === 'Sig' && !isSignedNow(step, dict))) return false
    const older = dictOf(fetchObject(step.before, referrer))
    if (type !== 'Sig' && older && !isValueChanged(step, older, dict)) return false
    for (const [key, value] of dict) {
      if (key === 'AP') continue
      let elsewhere = false
      eachRef(value, (ref) => {
        if (ref.num === num) elsewhere = true
      })
      if (elsewhere) return false
    }
  }
  return true
}
