import type { Copies, DatabaseCopy, PlaceCopies, SiteCopies } from '@yinxin/sdk/wire'
import { Icon } from '../design/icons.tsx'
import { Note } from '../design/notices.tsx'
import { formatRelative, formatSize, formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import '../style/custody.css'

const tones = { fresh: 'good', new: '', stale: 'void', bad: 'bad' } as const

/** Two sites beside each other, each copy in its place; what was not verified in time is grey. */
export function CopiesMap({ copies, title }: { copies: Copies; title: string }) {
  const { t, language } = useWords()
  return (
    <section className="stack">
      <div className="row apart">
        <h2>{title}</h2>
        {copies.destroyed > 0 && (
          <span className="muted small">{t('copiesDestroyed', { count: copies.destroyed })}</span>
        )}
      </div>
      <div className="sites">
        {copies.sites.map((site) => (
          <Site key={site.site} site={site} database={copies.database} measuredAt={copies.measuredAt} />
        ))}
      </div>
      {copies.database === null ? (
        <p className="muted small">{t('labelled', { label: t('databases'), value: t('databaseHidden') })}</p>
      ) : (
        copies.database.some(({ site }) => site === 'unknown') && (
          <ul className="copies elsewhere">
            {copies.database
              .filter(({ site }) => site === 'unknown')
              .map((copy) => (
                <Database key={copy.name} copy={copy} />
              ))}
          </ul>
        )
      )}
      {copies.drift.length === 0 ? (
        <Note tone="good">
          <p>{t('driftNone')}</p>
          <p className="muted small">{t('promiseText')}</p>
        </Note>
      ) : (
        <Note tone="wait">
          <p>
            <strong>{t('driftTitle')}</strong>
          </p>
          <ul className="drift">
            {copies.drift.map((one) => (
              <li key={one.code + one.en}>{one[language]}</li>
            ))}
          </ul>
          <p className="muted small">{t('promiseText')}</p>
        </Note>
      )}
      <p className="muted small">{formatTime(copies.measuredAt)}</p>
    </section>
  )
}

interface SiteProps {
  site: SiteCopies
  database: DatabaseCopy[] | null
  measuredAt: string
}

function Site({ site, database, measuredAt }: SiteProps) {
  const { t } = useWords()
  const here = database?.filter((copy) => copy.site === site.site) ?? []
  return (
    <article className="site">
      <header>
        <h3>
          <Icon name="company" size={18} />
          {t(`site_${site.site}`)}
        </h3>
        <p className="muted small">
          {[
            t('siteCopies', { copies: site.copies }),
            t('siteDevices', { devices: site.devices }),
            formatSize(site.sizeBytes),
          ].join(' · ')}
        </p>
      </header>
      <ul className="copies">
        {site.places.map((place) => (
          <Place key={place.name} place={place} measuredAt={measuredAt} />
        ))}
      </ul>
      {here.length > 0 && (
        <>
          <p className="muted small">{t('databases')}</p>
          <ul className="copies">
            {here.map((copy) => (
              <Database key={copy.name} copy={copy} />
            ))}
          </ul>
        </>
      )}
    </article>
  )
}

function Place({ place, measuredAt }: { place: PlaceCopies; measuredAt: string }) {
  const { t, language } = useWords()
  // By the clock of the server: one that is wrong here must not make a stale copy look fresh.
  const now = new Date(measuredAt).getTime()
  return (
    <li className={`copy ${place.freshness}`}>
      <p className="row apart">
        <strong className="mono">{place.name}</strong>
        <span className={`badge ${tones[place.freshness]}`}>{t(`fresh_${place.freshness}`)}</span>
      </p>
      <p className="muted small" title={formatTime(place.verifiedAt)}>
        {[
          t('copyGood', { good: place.good, replicas: place.replicas }),
          place.verifiedAt
            ? t('copyVerified', { when: formatRelative(place.verifiedAt, language, now) })
            : t('copyVerifiedNever'),
        ].join(' · ')}
      </p>
      <p className="muted small">
        {[
          place.device === null ? t('copyDeviceUnknown') : t('copyDevice', { device: place.device }),
          formatSize(place.sizeBytes),
        ].join(' · ')}
      </p>
    </li>
  )
}

function Database({ copy }: { copy: DatabaseCopy }) {
  const { t } = useWords()
  const isWell = copy.state === 'running' || copy.state === 'streaming'
  return (
    <li className={`copy ${isWell ? 'fresh' : 'bad'}`}>
      <p className="row apart">
        <strong>
          {t(copy.cluster === 'main' ? 'databaseMain' : 'databaseKeys')} · {t(`role_${copy.role}`)}
        </strong>
        <span className={`badge ${isWell ? 'good' : 'bad'}`}>{t(`state_${copy.state}`)}</span>
      </p>
      <p className="muted small">
        {[
          copy.device === null ? t('copyDeviceUnknown') : t('copyDevice', { device: copy.device }),
          copy.lagBytes === null ? null : t('lag', { size: formatSize(copy.lagBytes) }),
        ]
          .filter(Boolean)
          .join(' · ')}
      </p>
    </li>
  )
}
