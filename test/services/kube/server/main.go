// Command kube is etcd and kube-apiserver in one program: `kube COMPONENT FLAGS…`.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// Only the component that runs is constructed: its flags and feature gates are those of the process.
func main() {
	if len(os.Args) > 1 {
		component := os.Args[1]
		os.Args = os.Args[1:]
		switch component {
		case "etcd":
			etcdmain.Main(os.Args)
			return
		case "kube-apiserver":
			os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
		}
	}
	fmt.Fprintln(os.Stderr, "usage: kube etcd|kube-apiserver FLAGS…")
	os.Exit(2)
}
