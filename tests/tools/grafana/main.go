// Reads dashboards as the types that Grafana generates from its schema: each file that is named has no key that they have not, lacks
// none that they require, and has values of their kinds and panels of Grafana's own. What is wrong is printed, a line each.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Without a plugin for its type a panel's options would be let through.
func unknownTypes(text []byte) (wrong []string) {
	var found struct{ Panels []struct{ Type string } }
	if err := json.Unmarshal(text, &found); err != nil {
		return lines(err)
	}
	for index, panel := range found.Panels {
		if _, known := cog.ConfigForPanelcfgVariant(panel.Type); !known && panel.Type != "row" {
			wrong = append(wrong, fmt.Sprintf("panels[%d].type: Grafana has no panel %q", index, panel.Type))
		}
	}
	return wrong
}

// What one of the generated functions found: where that is nothing, it is a list of no errors, which is not nil.
func lines(err error) []string {
	if err == nil || err.Error() == "" {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func check(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return lines(err)
	}
	var strict, found dashboard.Dashboard
	wrong := lines(strict.UnmarshalJSONStrict(text))
	// What is read strictly is not whole, even where all is well.
	wrong = append(wrong, lines(json.Unmarshal(text, &found))...)
	wrong = append(wrong, lines(found.Validate())...)
	return append(wrong, unknownTypes(text)...)
}

func main() {
	plugins.RegisterDefaultPlugins()
	failed := false
	for _, file := range os.Args[1:] {
		for _, line := range check(file) {
			failed = true
			fmt.Printf("%s: %s\n", file, line)
		}
	}
	if failed {
		os.Exit(1)
	}
}
