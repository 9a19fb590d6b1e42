export interface PageSize {
  widthPt: number
  heightPt: number
}

export interface DocumentTables {
  file: {
    id: string
    tenant_id: string
    name: string
    object_id: string
    size_bytes: number
    sha256: string
    page_count: number
    /** jsonb: goes in as text, comes out parsed. */
    pages: unknown
    signature_count: number
    created_at: Date
  }
}
