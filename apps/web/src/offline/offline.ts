/**
 * The offline verifier: one HTML file that needs no server and no network. Files, root certificates and log keys are
 * dropped on it in any order; every file is judged anew by what is trusted.
 */
import { digest, parsePem, toHex } from '@yinxin/pki'
import { type DeviceReport, type EvidenceFindings, type Language, verifyHere } from '../verification/here.ts'
import { words } from './offline-words.ts'
import './offline.css'

interface Held {
  name: string
  bytes: Uint8Array
}

let language: Language = navigator.language.startsWith('zh') ? 'zh' : 'en'
let trust: Uint8Array[] = []
let logKeys: string[] = []
let held: Held[] = []
let notes: string[] = []

const t = (key: keyof typeof words): string => words[key][language === 'zh' ? 0 : 1]

/** Texts only ever become text nodes: names and messages come from files of strangers. */
function element(tag: string, className: string, ...content: (string | Node)[]): HTMLElement {
  const made = document.createElement(tag)
  if (className) made.className = className
  made.append(...content)
  return made
}

async function take(files: Iterable<File>): Promise<void> {
  notes = []
  for (const file of files) {
    const bytes = new Uint8Array(await file.arrayBuffer())
    if (!takeAnchor(bytes))
      held = [{ name: file.name, bytes }, ...held.filter((one) => one.name !== file.name)]
  }
  show(true)
  // The page must be painted before the work begins.
  setTimeout(() => show(false), 30)
}

/** Whether the file was a root certificate or a log key. */
function takeAnchor(bytes: Uint8Array): boolean {
  // Plain text alone: a package holds certificates as well, and must never become what it is judged by.
  if (bytes.length > 100_000 || bytes.some((byte) => byte < 0x20 && !/\s/.test(String.fromCharCode(byte))))
    return false
  const text = new TextDecoder().decode(bytes)
  if (text.startsWith('PK') || text.startsWith('%PDF')) return false
  try {
    if (text.includes('-----BEGIN CERTIFICATE-----')) {
      trust = parsePem(text, 'CERTIFICATE')
      return true
    }
  } catch (error) {
    notes.push(String(error))
    return true
  }
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const keys = lines.filter((line) => /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(line))
  if (keys.length === 0) return false
  logKeys = keys
  return true
}

function show(working: boolean): void {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  document.title = t('title')
  const results = working ? [element('p', 'card', t('working'))] : held.map((one) => resultOf(one))
  document.body.replaceChildren(
    element(
      'main',
      '',
      head(),
      dropZone(),
      ...notes.map((note) => element('p', 'problem', note)),
      anchors(),
      ...results,
    ),
  )
}

function head(): HTMLElement {
  const button = element('button', 'quiet', t('language'))
  button.addEventListener('click', () => {
    language = language === 'zh' ? 'en' : 'zh'
    show(false)
  })
  return element(
    'header',
    '',
    element('div', 'row', element('h1', '', t('title')), button),
    element('p', 'muted', t('lead')),
  )
}

function dropZone(): HTMLElement {
  const input = document.createElement('input')
  input.type = 'file'
  input.multiple = true
  input.hidden = true
  input.addEventListener('change', () => void take([...(input.files ?? [])]))
  const zone = element(
    'button',
    'drop',
    element('strong', '', t('drop')),
    element('span', 'muted', t('dropHint')),
  )
  zone.addEventListener('click', () => input.click())
  return element('div', '', zone, input)
}

function anchors(): HTMLElement {
  const list = element('dl', '')
  for (const der of trust)
    list.append(
      element('dt', '', `${t('root')} · ${t('fingerprint')}`),
      element('dd', 'mono', toHex(digest('sha256', der))),
    )
  for (const key of logKeys) list.append(element('dt', '', t('logKey')), element('dd', 'mono', key))
  const none = trust.length === 0 ? [element('p', 'muted', t('anchorsNone'))] : []
  return element('section', 'card', element('h2', '', t('anchors')), ...none, list)
}

function resultOf({ name, bytes }: Held): HTMLElement {
  try {
    const answer = verifyHere({ bytes, fileName: name, language, trust, logKeys })
    if (answer.kind === 'unreadable')
      return verdict('bad', t('unreadable'), name, element('p', 'problem', answer.reason))
    return answer.kind === 'pdf' ? pdfResult(answer.report, name) : evidenceResult(answer.report, name)
  } catch (error) {
    return verdict('bad', t('failed'), name, element('p', 'problem', String(error)))
  }
}

function verdict(
  look: 'good' | 'bad' | 'open',
  sentence: string,
  name: string,
  ...rest: Node[]
): HTMLElement {
  return element('section', `card ${look}`, element('h2', '', sentence), element('p', 'muted', name), ...rest)
}

function pdfResult(report: DeviceReport, name: string): HTMLElement {
  const parts = report.signatures.map((signature) => {
    const trusted = signature.trusted === null ? t('open') : t(signature.trusted ? 'trusted' : 'untrusted')
    const { timestamp, signedAt } = signature
    const time = timestamp ?? signedAt
    const said = time === null ? '' : `${timeOf(time)} · ${t(timestamp ? 'stamped' : 'claimed')}`
    return element(
      'div',
      'part',
      element('h3', '', [signature.signer, t(signature.status)].filter(Boolean).join(' · ')),
      element('p', 'muted', said),
      element('p', 'muted', trusted),
      ...signature.problems.map(({ message, code }) => element('p', 'problem', `${message} · ${code}`)),
    )
  })
  const none = report.signatures.length === 0
  const sentence = none ? 'none' : !report.ok ? 'bad' : trust.length > 0 ? 'good' : 'goodUntrusted'
  const look = none ? 'open' : !report.ok ? 'bad' : trust.length > 0 ? 'good' : 'open'
  return verdict(look, t(sentence), name, ...parts, hash(report.sha256))
}

function evidenceResult(report: EvidenceFindings, name: string): HTMLElement {
  const judged = report.trusted !== null && report.logVerified !== null
  const look = !report.ok ? 'bad' : judged ? 'good' : 'open'
  const sentence = !report.ok ? 'bad' : judged ? 'evidenceGood' : 'evidenceUntrusted'
  const documents = report.documents.map((document) =>
    element(
      'div',
      'part',
      element('h3', '', `${document.name} · ${t(document.ok ? 'valid' : 'invalid')}`),
      ...document.signatures.map(({ signer, timestamp }) =>
        element('p', 'muted', [signer, timeOf(timestamp)].filter(Boolean).join(' · ')),
      ),
    ),
  )
  const trusted = report.trusted === null ? t('open') : t(report.trusted ? 'trusted' : 'untrusted')
  const log = report.logVerified === null ? t('open') : t(report.logVerified ? 'logGood' : 'logBad')
  const problems = report.problems.map((one) =>
    element('p', 'problem', language === 'zh' ? one.message_zh : one.message_en),
  )
  const counts = `${t('documents')} ${report.documents.length} · ${t('events')} ${report.events}`
  const facts = [counts, trusted, log].map((text) => element('p', 'muted', text))
  return verdict(
    look,
    t(sentence),
    report.task?.title ?? name,
    ...facts,
    ...problems,
    ...documents,
    hash(report.sha256),
  )
}

const timeOf = (time: string | null): string =>
  time === null ? '' : new Date(time).toLocaleString(language === 'zh' ? 'zh-CN' : 'en')

const hash = (sha256: string): HTMLElement => element('p', 'mono muted', `SHA-256 ${sha256}`)

addEventListener('dragover', (event) => event.preventDefault())
addEventListener('drop', (event) => {
  event.preventDefault()
  void take([...(event.dataTransfer?.files ?? [])])
})
show(false)
