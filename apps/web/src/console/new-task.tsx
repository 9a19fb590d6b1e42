import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { SignTask } from '@yinxin/sdk/wire'
import { useNavigate, useSearchParams } from 'react-router'
import { ApiProblem, call } from '../api/client.ts'
import { Button, TextField } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { Note, ProblemNote } from '../design/notices.tsx'
import { formatDay } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { useIdentity } from './page.tsx'
import {
  openPoints,
  partyColour,
  type TaskDraft,
  toTaskInput,
  useTaskDraft,
  type WizardStep,
  wizardSteps,
} from './draft.ts'
import { PlaceFields } from './place-fields.tsx'
import { PartiesStep } from './wizard-parties.tsx'
import { UploadStep } from './wizard-upload.tsx'

const stepWords = {
  upload: 'wizardUpload',
  parties: 'wizardParties',
  fields: 'wizardFields',
  check: 'wizardCheck',
} as const

/** Upload, parties, fields, check: four steps, each reachable as soon as those before it are complete. */
export function NewTaskPage() {
  const { t } = useWords()
  const me = useIdentity()
  const [params, setParams] = useSearchParams()
  const { draft, change, discard, forget } = useTaskDraft(me.acting.subjectId)
  const wanted = (params.get('step') ?? 'upload') as WizardStep
  const firstOpen = wizardSteps.findIndex((step) => openPoints(draft, step).length > 0)
  const reachable = firstOpen === -1 ? wizardSteps.length - 1 : firstOpen
  const index = Math.min(Math.max(0, wizardSteps.indexOf(wanted)), reachable)
  const step = wizardSteps[index] ?? 'upload'
  const go = (next: WizardStep) => setParams({ step: next })
  const later = wizardSteps[index + 1]
  const earlier = wizardSteps[index - 1]
  return (
    <main className={step === 'fields' ? 'wizard wide' : 'wizard'}>
      <header className="wizard-head">
        <ol className="steps">
          {wizardSteps.map((name, position) => (
            <li key={name}>
              <button
                type="button"
                disabled={position > reachable}
                aria-current={name === step ? 'step' : undefined}
                onClick={() => go(name)}
              >
                <span className="step-mark">
                  {position < index ? <Icon name="check" size={14} /> : position + 1}
                </span>
                {t(stepWords[name])}
              </button>
            </li>
          ))}
        </ol>
        <span className="muted small saved">{draft.files.length > 0 && t('wizardSaved')}</span>
        {draft.files.length > 0 && (
          <Button
            look="quiet"
            slim
            onClick={() => {
              discard()
              go('upload')
            }}
          >
            {t('wizardDiscard')}
          </Button>
        )}
      </header>
      <div className="wizard-body">
        {step === 'upload' && <UploadStep draft={draft} change={change} />}
        {step === 'parties' && <PartiesStep draft={draft} change={change} />}
        {step === 'fields' && <PlaceFields draft={draft} change={change} />}
        {step === 'check' && <CheckStep draft={draft} change={change} onSent={forget} />}
      </div>
      {step !== 'check' && (
        <footer className="wizard-foot">
          {earlier && <Button onClick={() => go(earlier)}>{t('back')}</Button>}
          {later && (
            <Button look="primary" disabled={openPoints(draft, step).length > 0} onClick={() => go(later)}>
              {t('next')}
            </Button>
          )}
        </footer>
      )}
    </main>
  )
}

function CheckStep({
  draft,
  change,
  onSent,
}: {
  draft: TaskDraft
  change(part: Partial<TaskDraft>): void
  onSent(): void
}) {
  const { t } = useWords()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const missing = useQuery({
    queryKey: ['draft-files', draft.files.map((file) => file.fileId)],
    queryFn: async ({ signal }) => {
      try {
        for (const file of draft.files) await call('GET', `/files/${file.fileId}`, { signal })
        return false
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 404) return true
        throw error
      }
    },
  })
  const send = useMutation({
    mutationFn: () =>
      call<SignTask>('POST', '/sign-tasks', { body: toTaskInput(draft), idempotencyKey: draft.key }),
    onSuccess: (task) => {
      onSent()
      queries.invalidateQueries({ queryKey: ['tasks'] })
      navigate(`/tasks/${task.id}`, { replace: true })
    },
  })
  const unplaced = draft.parties.filter(
    (party) => party.role === 'sign' && !draft.fields.some((field) => field.partyRef === party.ref),
  )
  return (
    <div className="stack">
      <section className="letter flat">
        <h1 className="serif">{draft.title}</h1>
        <dl>
          {draft.files.map((file) => (
            <div key={file.ref}>
              <dt>
                <Icon name="task" size={18} /> {file.name}
              </dt>
              <dd>{t('pages', { count: file.pages.length })}</dd>
            </div>
          ))}
          {draft.parties.map((party, index) => (
            <div key={party.ref}>
              <dt style={{ color: partyColour(index) }}>
                <Icon name={party.kind === 'corp' ? 'company' : 'person'} size={18} /> {party.name}
              </dt>
              <dd>
                <span className="muted small">
                  {party.role === 'cc'
                    ? t('roleCc')
                    : [
                        draft.ordered ? t('taskOrder', { order: index + 1 }) : null,
                        party.freeSign ? t('taskFreeSign') : party.contact,
                        t('wizardFieldCount', {
                          count: draft.fields.filter((field) => field.partyRef === party.ref).length,
                        }),
                      ]
                        .filter(Boolean)
                        .join(' · ')}
                </span>
              </dd>
            </div>
          ))}
        </dl>
      </section>
      <TextField
        label={t('noted', { what: t('wizardDeadline'), note: t('optional') })}
        type="date"
        min={formatDay(new Date())}
        value={draft.deadline}
        onChange={(event) => change({ deadline: event.target.value })}
      />
      {unplaced.map((party) => (
        <Note key={party.ref} tone="wait">
          {t('wizardNoField', { name: party.name })}
        </Note>
      ))}
      {missing.data && <Note tone="bad">{t('wizardFileGone')}</Note>}
      <ProblemNote error={send.error ?? missing.error} />
      <p className="muted small">{t('wizardReady')}</p>
      <Button
        look="primary"
        wide
        disabled={missing.data === true}
        busy={send.isPending}
        onClick={() => send.mutate()}
      >
        {t('wizardSend')}
      </Button>
    </div>
  )
}
