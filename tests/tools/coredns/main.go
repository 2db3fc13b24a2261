// CoreDNS with the two plugins that tests/cluster/node uses. The others bring the SDKs of three clouds, which take longer to build
// than all else of the node.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func init() { dnsserver.Directives = []string{"bind", "kubernetes"} }

func main() { coremain.Run() }
