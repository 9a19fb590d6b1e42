export type SealKind = 'official' | 'contract' | 'finance' | 'legal-representative' | 'personal'

export interface SealTables {
  seal: {
    id: string
    tenant_id: string
    kind: SealKind
    form: 'drawn' | 'handwritten'
    name: string
    status: 'active' | 'disabled'
    width_mm: number
    height_mm: number
    svg_sealed: Uint8Array
    appearance_sealed: Uint8Array
    created_at: Date
  }
  seal_grant: {
    tenant_id: string
    seal_id: string
    person_id: string
    expires_at: Date | null
    granted_at: Date
    ended_at: Date | null
  }
  free_sign_scene: {
    business_id: string
    tenant_id: string
    seal_id: string
    name: string
    expires_at: Date | null
    created_at: Date
    ended_at: Date | null
  }
}
