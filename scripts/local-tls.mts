// LocalTls: throw-away certificates for servers on this host.
// Source: openssl(1), x509v3_config(5).

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Paths of PEM files. */
export interface CertificateFiles {
  cert: string
  key: string
}

export interface TestCertificates {
  /** Certificate of the authority that has signed all of them. */
  ca: string
  /** Certificate of an authority that has signed none of them. */
  otherCa: string
  /** For `localhost`, 127.0.0.1 and ::1. */
  server: CertificateFiles
  /** For `redis.test` and 127.0.0.1, and not for `localhost`. */
  named: CertificateFiles
  client: CertificateFiles
}

const openssl = (dir: string, ...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
const filesIn = (dir: string, name: string): CertificateFiles => ({
  cert: join(dir, `${name}.crt`),
  key: join(dir, `${name}.key`),
})

/**
 * Makes a certificate that the authority in the folder has signed.
 * @param name of the files
 * @param subject what it is made out to: `DNS:redis.test,IP:127.0.0.1`
 */
export function makeCertificate(dir: string, name: string, subject: string): CertificateFiles {
  const { cert, key } = filesIn(dir, name)
  const [request, extensionFile] = [join(dir, `${name}.csr`), join(dir, `${name}.ext`)]
  writeFileSync(extensionFile, `basicConstraints=CA:FALSE\nsubjectAltName=${subject}\n`)
  openssl(dir, 'req', '-new', ...newKey, '-subj', `/CN=slotwise test ${name}`, '-keyout', key, '-out', request)
  const issuer = ['-CA', filesIn(dir, 'ca').cert, '-CAkey', filesIn(dir, 'ca').key, '-CAcreateserial']
  openssl(dir, 'x509', '-req', '-in', request, ...issuer, '-days', '1', '-extfile', extensionFile, '-out', cert)
  return { cert, key }
}

/**
 * Makes certificates that are good for one day.
 * @param dir an existing folder; the files stay there
 */
export function makeTestCertificates(dir: string): TestCertificates {
  const authority = (name: string): string => {
    const { cert, key } = filesIn(dir, name)
    const subject = ['-subj', `/CN=slotwise test ${name}`]
    openssl(dir, 'req', '-x509', ...newKey, '-days', '1', ...subject, '-keyout', key, '-out', cert)
    return cert
  }
  return {
    ca: authority('ca'),
    otherCa: authority('other-ca'),
    server: makeCertificate(dir, 'server', 'DNS:localhost,IP:127.0.0.1,IP:::1'),
    named: makeCertificate(dir, 'named', 'DNS:redis.test,IP:127.0.0.1'),
    client: makeCertificate(dir, 'client', 'DNS:client.test'),
  }
}
