import { entryOf, fetchObject, type PdfView, resolve } from './file.ts'
import { dictOf, eachRef, type PdfDict, type PdfRef, type PdfValue, sameValue, textOf } from './objects.ts'

import type { Revision } from './revisions.ts'

/** How far an update went, in rising order. `validation` is validation data, metadata and document timestamps. */
export type ChangeLevel = 'none' | 'validation' | 'signatures' | 'form' | 'annotations' | 'other'

const ORDER: readonly ChangeLevel[] = ['none', 'validation', 'signatures', 'form', 'annotations', 'other']

export function worse(a: ChangeLevel, b: ChangeLevel): ChangeLevel {
  return ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b
}

export interface ChangeFinding {
  /** Object number, 0 for the trailer. */
  readonly object: number
  readonly level: ChangeLevel
  readonly rule: string
  /** Full name of the form field that changed. */
  readonly field?: string
}

export interface StepDifference {
  readonly level: ChangeLevel
  /** Numbers of objects that are not what they were, whatever they are. */
  readonly changed: readonly number[]
  /** Everything beyond validation data, with the rule that judged it. */
  readonly findings: readonly ChangeFinding[]
}

/** How many objects walks over the whole document may still visit; a file may have thousands of revisions. */
export interface WalkBudget {
  objects: number
}

/** Two revisions side by side, and what is known about the objects between them. */
export interface Step {
  readonly before: PdfView
  readonly after: PdfView
  readonly changed: Map<number, PdfValue>
  readonly added: Set<number>
  readonly budget: WalkBudget
  reachable: Set<number> | undefined
  referrers: Map<number, Set<number>> | undefined
}

/** Two revisions, before anything is known about what changed between them. */
export function createStep(older: Revision, newer: Revision, budget: WalkBudget): Step {
  return {
    before: older.view,
    after: newer.view,
    changed: new Map(),
    added: new Set(),
    budget,
    reachable: undefined,
    referrers: undefined,
  }
}

export function differingKeys(before: PdfDict, after: PdfDict): string[] {
  const keys = new Set([...before.keys(), ...after.keys()])
  return [...keys].filter((key) => !sameValue(before.get(key), after.get(key)))
}

/** The names from the top of the form down to this node (ISO 32000-2 §12.7.4.2). */
export function fieldName(view: PdfView, dict: PdfDict): string {
  const names: string[] = []
  let node: PdfDict | undefined = dict
  for (let depth = 0; node && depth < 32; depth++) {
    const name = textOf(resolve(view, node.get('T')))
    if (name !== undefined) names.unshift(name)
    node = dictOf(resolve(view, node.get('Parent')))
  }
  return names.join('.')
}

export function inherited(view: PdfView, dict: PdfDict, key: string): PdfValue | undefined {
  const value = holderOf(view, dict, key)?.get(key)
  return value === undefined ? undefined : resolve(view, value)
}

/** The node from here upwards that has this key. */
export function holderOf(view: PdfView, dict: PdfDict, key: string): PdfDict | undefined {
  let node: PdfDict | undefined = dict
  for (let depth = 0; node && depth < 32; depth++) {
    if (node.has(key)) return node
    node = dictOf(resolve(view, node.get('Parent')))
  }
  return undefined
}

export function mayWalk(step: Step): boolean {
  if (step.reachable || step.referrers) return true
  return step.budget.objects > 0
}

function allNumbers(view: PdfView): Set<number> {
  const numbers = new Set<number>()
  for (const section of view.sections) for (const num of section.numbers()) numbers.add(num)
  return numbers
}

export function referrersOf(step: Step): Map<number, Set<number>> {
  if (step.referrers) return step.referrers
  const map = new Map<number, Set<number>>()
  const numbers = allNumbers(step.after)
  step.budget.objects -= numbers.size
  for (const num of numbers) {
    eachRef(fetchObject(step.after, num), (ref) => {
      const set = map.get(ref.num)
      if (set) set.add(num)
      else map.set(ref.num, new Set([num]))
    })
  }
  step.referrers = map
  return map
}

/** Every object that can be reached from the trailer of the newer revision. */
export function reachableSet(step: Step): Set<number> {
  if (step.reachable) return step.reachable
  const seen = new Set<number>()
  const queue: number[] = []
  const visit = (ref: PdfRef) => {
    if (seen.has(ref.num)) return
    seen.add(ref.num)
    queue.push(ref.num)
  }
  for (const key of ['Root', 'Info']) eachRef(step.after.trailer.get(key) ?? null, visit)
  for (let num = queue.pop(); num !== undefined; num = queue.pop()) {
    eachRef(fetchObject(step.after, num), visit)
    // Objects in a stream hang on that stream: replacing it replaces them.
    const entry = entryOf(step.after, num)
    if (entry?.type === 'compressed' && !seen.has(entry.container)) {
      seen.add(entry.container)
      queue.push(entry.container)
    }
  }
  step.budget.objects -= seen.size
  step.reachable = seen
  return seen
}
