/** What a person finds on opening an export without any program of ours. */
export const readmeText = `印信数据导出 · Yinxin data export
================================

index.zh.csv / index.en.csv   合同目录（可用表格软件打开） · list of contracts, for a spreadsheet
contracts/<编号 id>/documents 合同文件（PDF） · the documents of a contract
contracts/<编号 id>/evidence-rest.zip
                              证据：事件、日志证明、时间戳、证书；与 documents/ 合起来就是完整的证据包
                              evidence: events, proofs, timestamps, certificates; together with documents/
                              it is the whole evidence package
files/                        上传的原始文件 · uploaded files
seals/                        印章图样（SVG） · pictures of seals
tables/*.jsonl                每行一条 JSON 记录 · one JSON record a line
entries.jsonl                 每个条目的大小、SHA-256、SM3 · size, SHA-256 and SM3 of every entry
manifest.json                 总清单 · the manifest
manifest.tlog-proof           总清单写入存证日志的证明，含平台签名 · proof of the manifest in the log, signed by it
manifest.tsr                  总清单的时间戳（RFC 3161） · timestamp of the manifest
trust/                        根证书与日志公钥；判断真伪请从导出之外取得
                              root and log key; to judge by them, take them from elsewhere

验证 · verify:  yinxin bundle verify FILE --trust root.pem --log-key log.vkey
格式 · format:  docs/reference/export-bundle.md
`
