// Command controlplane is one binary with the parts of a Kubernetes control plane that tests need,
// each a subcommand; `controlplane up` starts them all. Linking them together pays for the shared
// packages once.
package main

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// parts maps a subcommand to its entry point, which reads os.Args and gives the exit status.
var parts = map[string]func() int{
	"up":                      up,
	"fakenode":                runFakeNode,
	"kubectl":                 kubectl,
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(controllermanager.NewControllerManagerCommand()) },
	"kube-scheduler":          func() int { return cli.Run(scheduler.NewSchedulerCommand()) },
}

// endWithStdin is set for parts that must not outlive whoever started them, however he ends.
const endWithStdin = "CONTROLPLANE_END_WITH_STDIN"

func main() {
	var run func() int
	if len(os.Args) > 1 {
		run = parts[os.Args[1]]
	}
	if run == nil {
		names := make([]string, 0, len(parts))
		for name := range parts {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: controlplane PART [flags]\nparts: %s\n", strings.Join(names, " "))
		os.Exit(2)
	}
	if os.Getenv(endWithStdin) != "" {
		os.Unsetenv(endWithStdin)
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	os.Args = os.Args[1:]
	os.Exit(run())
}

func kubectl() int {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	return 0
}
