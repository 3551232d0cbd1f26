package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// startLimit bounds the start of the whole control plane on a busy machine.
	startLimit = 120 * time.Second
	// attempts: a free port may be taken by another program before it is used.
	attempts   = 3
	serviceNet = "10.96.0.0/16"
)

// plane is one running control plane and everything that belongs to it.
type plane struct {
	dir     string
	pki     pki
	server  string
	running []*exec.Cmd
	ended   chan string
}

// access is what `up` prints on its standard output when everything is ready.
type access struct {
	Server string `json:"server"`
	// Admin may do everything, Tenant nothing until someone grants it rights.
	Admin  string `json:"admin"`
	Tenant string `json:"tenant"`
}

// up starts etcd, the API server, the controller manager, the scheduler and fake nodes on free
// loopback ports, prints how to reach them as one line of JSON, and ends them, removing all state,
// when its standard input closes.
func up() int {
	flags := flag.NewFlagSet("up", flag.ExitOnError)
	dir := flags.String("dir", "", "folder for state; removed at the end (default: a new one)")
	nodes := flags.Int("nodes", 1, "fake nodes")
	_ = flags.Parse(os.Args[1:])

	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(closed)
	}()
	for attempt := 1; ; attempt++ {
		p, err := start(*dir, *nodes, closed)
		if err == nil {
			status := p.serve(closed)
			p.stop()
			return status
		}
		p.stop()
		if attempt == attempts || errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "controlplane:", err)
			return 1
		}
		fmt.Fprintln(os.Stderr, "controlplane: trying again:", err)
	}
}

func start(dir string, nodes int, closed <-chan struct{}) (*plane, error) {
	p := &plane{ended: make(chan string, 8)}
	var err error
	if dir == "" {
		p.dir, err = os.MkdirTemp("", "controlplane-")
	} else {
		p.dir, err = dir, os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return p, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	go func() {
		select {
		case <-closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return p, p.launch(ctx, nodes)
}

func (p *plane) launch(ctx context.Context, nodes int) error {
	ports, err := freePorts(5)
	if err != nil {
		return err
	}
	if p.pki, err = newPKI(filepath.Join(p.dir, "pki")); err != nil {
		return err
	}
	p.server = fmt.Sprintf("https://127.0.0.1:%d", ports[0])
	if err := p.writeKubeconfigs(); err != nil {
		return err
	}
	client, err := p.client()
	if err != nil {
		return err
	}

	etcd := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	peer := fmt.Sprintf("http://127.0.0.1:%d", ports[2])
	// No fsync: the state is thrown away.
	err = p.run("etcd", "--name", "cp", "--data-dir", filepath.Join(p.dir, "etcd"),
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "cp="+peer,
		"--unsafe-no-fsync", "--log-level", "warn", "--quota-backend-bytes", "4294967296")
	if err != nil {
		return err
	}
	if err := p.runAPIServer(ports[0], etcd); err != nil {
		return err
	}
	if err := p.await(ctx, func() error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}); err != nil {
		return err
	}
	if err := p.runControllers(ports[3], ports[4], nodes); err != nil {
		return err
	}
	// The first sign of the controllers at work: pods need this account.
	return p.await(ctx, func() error {
		if nodes > 0 {
			if _, err := client.CoreV1().Nodes().Get(ctx, "fake-0", metav1.GetOptions{}); err != nil {
				return err
			}
		}
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func (p *plane) runAPIServer(port int, etcd string) error {
	// No endpoint reconciler: a loopback address is no valid endpoint of the `kubernetes` service,
	// and nothing here goes through it.
	return p.run("kube-apiserver", "--etcd-servers", etcd,
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", fmt.Sprint(port),
		"--endpoint-reconciler-type", "none",
		"--tls-cert-file", p.pki.file("apiserver.crt"), "--tls-private-key-file", p.pki.file("apiserver.key"),
		"--client-ca-file", p.pki.file("ca.crt"), "--token-auth-file", p.pki.file("tokens.csv"),
		"--anonymous-auth=false", "--authorization-mode", "RBAC", "--allow-privileged=true",
		"--service-cluster-ip-range", serviceNet, "--profiling=false",
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", p.pki.file("sa.pub"),
		"--service-account-signing-key-file", p.pki.file("sa.key"))
}

func (p *plane) runControllers(managerPort, schedulerPort, nodes int) error {
	serving := func(name string, port int) []string {
		config := p.kubeconfig(name)
		return []string{"--authentication-kubeconfig", config, "--authorization-kubeconfig", config,
			"--authentication-skip-lookup=true", "--bind-address", "127.0.0.1",
			"--secure-port", fmt.Sprint(port), "--cert-dir", filepath.Join(p.dir, name+"-certs")}
	}
	manager := append(serving("kube-controller-manager", managerPort),
		"--kubeconfig", p.kubeconfig("kube-controller-manager"), "--leader-elect=false", "--profiling=false",
		"--use-service-account-credentials=true", "--service-account-private-key-file", p.pki.file("sa.key"),
		"--root-ca-file", p.pki.file("ca.crt"),
		"--cluster-signing-cert-file", p.pki.file("ca.crt"), "--cluster-signing-key-file", p.pki.file("ca.key"),
		"--kube-api-qps", "200", "--kube-api-burst", "400")
	if err := p.run("kube-controller-manager", manager...); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"apiVersion":       "kubescheduler.config.k8s.io/v1",
		"kind":             "KubeSchedulerConfiguration",
		"clientConnection": map[string]any{"kubeconfig": p.kubeconfig("kube-scheduler"), "qps": 200, "burst": 400},
		"leaderElection":   map[string]any{"leaderElect": false},
		"enableProfiling":  false,
	})
	if err != nil {
		return err
	}
	file := filepath.Join(p.dir, "kube-scheduler.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	scheduler := append(serving("kube-scheduler", schedulerPort), "--config", file)
	if err := p.run("kube-scheduler", scheduler...); err != nil {
		return err
	}
	if nodes == 0 {
		return nil
	}
	return p.run("fakenode", "-kubeconfig", p.kubeconfig("fakenode"), "-nodes", fmt.Sprint(nodes))
}

// run starts a part of this binary. It ends when we do: its standard input is a pipe of ours.
func (p *plane) run(name string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log(name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	part := exec.Command(self, append([]string{name}, args...)...)
	part.Env = append(os.Environ(), endWithStdin+"=1")
	part.Stdout, part.Stderr = log, log
	// Closed by the system when this process ends, whatever ends it.
	if _, err := part.StdinPipe(); err != nil {
		return err
	}
	if err := part.Start(); err != nil {
		return err
	}
	p.running = append(p.running, part)
	go func() {
		_ = part.Wait()
		p.ended <- name
	}()
	return nil
}

// await polls a condition until it holds, a part ends, or time is up.
func (p *plane) await(ctx context.Context, holds func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case name := <-p.ended:
			return fmt.Errorf("%s ended: %s", name, p.tail(name))
		case <-ctx.Done():
			return fmt.Errorf("not ready in time: %w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func (p *plane) log(name string) string { return filepath.Join(p.dir, name+".log") }

// tail gives the end of a part's log.
func (p *plane) tail(name string) string {
	text, _ := os.ReadFile(p.log(name))
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return string(text)
}

// serve tells how to reach the control plane, then waits for its end.
func (p *plane) serve(closed <-chan struct{}) int {
	line, err := json.Marshal(access{Server: p.server, Admin: p.kubeconfig("admin"), Tenant: p.kubeconfig("tenant")})
	if err != nil {
		return 1
	}
	fmt.Println(string(line))
	select {
	case <-closed:
		return 0
	case name := <-p.ended:
		fmt.Fprintf(os.Stderr, "controlplane: %s ended: %s\n", name, p.tail(name))
		return 1
	}
}

// stop ends every part and removes all state.
func (p *plane) stop() {
	for i := len(p.running) - 1; i >= 0; i-- {
		_ = p.running[i].Process.Kill()
	}
	for range p.running {
		select {
		case <-p.ended:
		case <-time.After(2 * time.Second):
		}
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

func (p *plane) client() (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", p.kubeconfig("admin"))
	if err != nil {
		return nil, err
	}
	config.Timeout = 5 * time.Second
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	return kubernetes.NewForConfig(config)
}

func (p *plane) kubeconfig(name string) string { return filepath.Join(p.dir, name+".kubeconfig") }

// writeKubeconfigs writes one kubeconfig a user: with a client certificate, the tenant with a token.
func (p *plane) writeKubeconfigs() error {
	tenantToken := make([]byte, 24)
	if _, err := rand.Read(tenantToken); err != nil {
		return err
	}
	token := hex.EncodeToString(tenantToken)
	if err := p.pki.write("tokens.csv", []byte(token+",tenant,1,tenants\n")); err != nil {
		return err
	}
	users := map[string]map[string]string{"tenant": {"token": token}}
	for name, subject := range map[string][2]string{
		"admin":                   {"admin", "system:masters"},
		"fakenode":                {"fakenode", "system:masters"},
		"kube-controller-manager": {"system:kube-controller-manager", ""},
		"kube-scheduler":          {"system:kube-scheduler", ""},
	} {
		certificate, key, err := p.pki.client(subject[0], subject[1])
		if err != nil {
			return err
		}
		users[name] = map[string]string{
			"client-certificate-data": base64.StdEncoding.EncodeToString(certificate),
			"client-key-data":         base64.StdEncoding.EncodeToString(key),
		}
	}
	for name, user := range users {
		config := map[string]any{
			"apiVersion": "v1",
			"kind":       "Config",
			"clusters": []any{map[string]any{"name": "local", "cluster": map[string]string{
				"server":                     p.server,
				"certificate-authority-data": base64.StdEncoding.EncodeToString(p.pki.authority),
			}}},
			"users":           []any{map[string]any{"name": "user", "user": user}},
			"contexts":        []any{map[string]any{"name": "local", "context": map[string]string{"cluster": "local", "user": "user"}}},
			"current-context": "local",
		}
		text := &bytes.Buffer{}
		if err := json.NewEncoder(text).Encode(config); err != nil {
			return err
		}
		if err := os.WriteFile(p.kubeconfig(name), text.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// freePorts gives loopback ports that nobody listens on.
func freePorts(count int) ([]int, error) {
	var listeners []net.Listener
	defer func() {
		for _, listener := range listeners {
			_ = listener.Close()
		}
	}()
	ports := make([]int, 0, count)
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, listener)
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
