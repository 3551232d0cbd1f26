package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is the certificates and keys of one control plane, valid for a day.
type pki struct {
	dir       string
	authority []byte
	root      *x509.Certificate
	key       *ecdsa.PrivateKey
}

func newPKI(dir string) (pki, error) {
	p := pki{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return p, err
	}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return p, err
	}
	template := certificate("controlplane-ca", "")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, p.key.Public(), p.key)
	if err != nil {
		return p, err
	}
	if p.root, err = x509.ParseCertificate(der); err != nil {
		return p, err
	}
	p.authority = encode("CERTIFICATE", der)
	caKey, err := encodeKey(p.key)
	if err != nil {
		return p, err
	}
	if err := p.write("ca.crt", p.authority); err != nil {
		return p, err
	}
	if err := p.write("ca.key", caKey); err != nil {
		return p, err
	}
	if err := p.writeServer(); err != nil {
		return p, err
	}
	return p, p.writeAccountKeys()
}

// writeServer writes the API server's certificate.
func (p pki) writeServer() error {
	template := certificate("kube-apiserver", "")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	template.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	crt, key, err := p.issue(template)
	if err != nil {
		return err
	}
	if err := p.write("apiserver.crt", crt); err != nil {
		return err
	}
	return p.write("apiserver.key", key)
}

// writeAccountKeys writes the key pair that service-account tokens are signed with.
func (p pki) writeAccountKeys() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := encodeKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := p.write("sa.key", private); err != nil {
		return err
	}
	return p.write("sa.pub", encode("PUBLIC KEY", public))
}

// client issues a client certificate for a user of a group.
func (p pki) client(user, group string) (crt, key []byte, err error) {
	template := certificate(user, group)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return p.issue(template)
}

func (p pki) issue(template *x509.Certificate) (crt, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, p.root, private.Public(), p.key)
	if err != nil {
		return nil, nil, err
	}
	key, err = encodeKey(private)
	return encode("CERTIFICATE", der), key, err
}

func (p pki) file(name string) string { return filepath.Join(p.dir, name) }

func (p pki) write(name string, content []byte) error {
	return os.WriteFile(p.file(name), content, 0o600)
}

func certificate(user, group string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	subject := pkix.Name{CommonName: user}
	if group != "" {
		subject.Organization = []string{group}
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	return encode("EC PRIVATE KEY", der), err
}
