import { useQuery } from '@tanstack/react-query'
import type { Me, Page, Seal } from '@yinxin/sdk/wire'
import { useState } from 'react'
import { call } from '../api/client.ts'
import { Button, IconButton, SelectField, TextField } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { Empty } from '../design/notices.tsx'
import { useWords } from '../words/words.tsx'
import { useIdentity } from './page.tsx'
import { readContact } from './contact.ts'
import { type DraftParty, nextRef, partyColour, type TaskDraft } from './draft.ts'

export function PartiesStep({ draft, change }: { draft: TaskDraft; change(part: Partial<TaskDraft>): void }) {
  const { t } = useWords()
  const me = useIdentity()
  const seals = useQuery({
    queryKey: ['seals'],
    queryFn: ({ signal }) => call<Page<Seal>>('GET', '/seals?limit=100', { signal }),
  })
  const add = (party: Omit<DraftParty, 'ref'>) =>
    change({ parties: [...draft.parties, { ...party, ref: nextRef('party', draft.parties) }] })
  const set = (ref: string, part: Partial<DraftParty>) =>
    change({ parties: draft.parties.map((party) => (party.ref === ref ? { ...party, ...part } : party)) })
  const has = (subjectId: string) => draft.parties.some((party) => party.subjectId === subjectId)
  const mine = myParty(me)
  return (
    <div className="stack">
      {draft.parties.length === 0 && (
        <section className="card">
          <Empty icon="person" title={t('wizardParties')}>
            {t('wizardNoParties')}
          </Empty>
        </section>
      )}
      {draft.parties.map((party, index) => (
        <PartyRow
          key={party.ref}
          party={party}
          index={index}
          first={index === 0}
          scenes={party.subjectId === me.acting.subjectId ? scenesOf(seals.data?.items ?? []) : []}
          onChange={(part) => set(party.ref, part)}
          onRemove={() =>
            change({
              parties: draft.parties.filter((other) => other.ref !== party.ref),
              fields: draft.fields.filter((field) => field.partyRef !== party.ref),
            })
          }
          onUp={() => {
            const parties = [...draft.parties]
            const above = parties[index - 1]
            if (above) {
              parties[index - 1] = party
              parties[index] = above
              change({ parties })
            }
          }}
        />
      ))}
      <div className="row">
        {!has(mine.subjectId ?? '') && (
          <Button icon="plus" onClick={() => add(mine)}>
            {t(mine.kind === 'corp' ? 'wizardMyCorp' : 'wizardMe')}
          </Button>
        )}
        <Button icon="person" onClick={() => add(emptyParty('person'))}>
          {t('wizardAddPerson')}
        </Button>
        <Button icon="company" onClick={() => add(emptyParty('corp'))}>
          {t('wizardAddCorp')}
        </Button>
      </div>
      {draft.parties.length > 1 && (
        <label className="check">
          <input
            type="checkbox"
            checked={draft.ordered}
            onChange={(event) => change({ ordered: event.target.checked })}
          />
          <span>{t('wizardOrdered')}</span>
        </label>
      )}
    </div>
  )
}

function PartyRow({
  party,
  index,
  first,
  scenes,
  onChange,
  onRemove,
  onUp,
}: {
  party: DraftParty
  index: number
  first: boolean
  scenes: { businessId: string; sealId: string; name: string }[]
  onChange(part: Partial<DraftParty>): void
  onRemove(): void
  onUp(): void
}) {
  const { t } = useWords()
  const [left, setLeft] = useState({ name: false, contact: false })
  const corp = party.kind === 'corp'
  return (
    <fieldset className="card party-form" style={{ borderLeftColor: partyColour(index) }}>
      <legend className="unseen">{party.name || t(corp ? 'kindCorp' : 'kindPerson')}</legend>
      <div className="party-form-head">
        <Icon name={corp ? 'company' : 'person'} />
        <strong className="grow">{t(corp ? 'kindCorp' : 'kindPerson')}</strong>
        {!first && (
          <Button look="quiet" slim onClick={onUp}>
            {t('wizardMoveUp')}
          </Button>
        )}
        <IconButton icon="trash" label={`${t('remove')} ${party.name}`} onClick={onRemove} />
      </div>
      <div className="party-form-grid">
        <TextField
          label={t(corp ? 'wizardCorpName' : 'wizardRealName')}
          value={party.name}
          disabled={party.subjectId !== null}
          error={left.name && !party.name.trim() ? t('wizardNameMissing') : undefined}
          onBlur={() => setLeft((before) => ({ ...before, name: true }))}
          onChange={(event) => onChange({ name: event.target.value })}
        />
        {!party.freeSign && (
          <TextField
            label={t(corp ? 'wizardContactCorp' : 'wizardContact')}
            hint={t('wizardContactHint')}
            value={party.contact}
            error={left.contact && !readContact(party.contact) ? t('wizardContactWrong') : undefined}
            onBlur={() => setLeft((before) => ({ ...before, contact: true }))}
            onChange={(event) => onChange({ contact: event.target.value })}
          />
        )}
        {scenes.length > 0 && (
          <SelectField
            label={t('wizardFree')}
            value={party.freeSign?.businessId ?? ''}
            options={[
              { value: '', label: t('wizardFreeNone') },
              ...scenes.map((scene) => ({
                value: scene.businessId,
                label: t('wizardFreeScene', { name: scene.name }),
              })),
            ]}
            onChange={(value) => {
              const scene = scenes.find((candidate) => candidate.businessId === value)
              onChange({ freeSign: scene ? { businessId: scene.businessId, sealId: scene.sealId } : null })
            }}
          />
        )}
        <SelectField
          label={t('wizardRole')}
          value={party.role}
          options={[
            { value: 'sign', label: t('roleSign') },
            { value: 'cc', label: t('roleCc') },
          ]}
          onChange={(role) => onChange({ role })}
        />
      </div>
    </fieldset>
  )
}

function myParty(me: Me): Omit<DraftParty, 'ref'> {
  return {
    kind: me.acting.kind,
    role: 'sign',
    name: me.acting.name,
    contact: me.login,
    subjectId: me.acting.subjectId,
    freeSign: null,
  }
}

function emptyParty(kind: 'person' | 'corp'): Omit<DraftParty, 'ref'> {
  return { kind, role: 'sign', name: '', contact: '', subjectId: null, freeSign: null }
}

function scenesOf(seals: Seal[]): { businessId: string; sealId: string; name: string }[] {
  return seals
    .filter((seal) => seal.status === 'active')
    .flatMap((seal) =>
      seal.freeSignScenes.map((scene) => ({
        businessId: scene.businessId,
        sealId: seal.id,
        name: `${scene.name} · ${seal.name}`,
      })),
    )
}
