{{- /* Values that are good alone and wrong together, all of them at once. What is wrong alone, values.schema.json refuses. */}}
{{- define "salesforce-replicator.refusals" -}}
{{- $wrong := list }}
{{- with .Values }}
{{- $several := gt (int .replicaCount) 1 }}
{{- if and $several .sqlite.enabled }}
{{- $wrong = append $wrong "replicaCount must be 1 with sqlite.enabled: a SQLite file has one writer, and its volume one pod" }}
{{- end }}
{{- if and $several (not .leaderElection.enabled) }}
{{- $wrong = append $wrong "replicaCount must be 1 without leaderElection.enabled: nothing else keeps two pods from replicating the same" }}
{{- end }}
{{- if and .serviceMonitor.enabled .podMonitor.enabled }}
{{- $wrong = append $wrong "serviceMonitor.enabled and podMonitor.enabled exclude each other: every series would be there twice" }}
{{- end }}
{{- if and .serviceMonitor.enabled (not .metrics.service.enabled) }}
{{- $wrong = append $wrong "serviceMonitor.enabled needs metrics.service.enabled; podMonitor needs no Service" }}
{{- end }}
{{- if not (or .serviceAccount.create .serviceAccount.name) }}
{{- $wrong = append $wrong "serviceAccount.name is needed where serviceAccount.create is false" }}
{{- end }}
{{- end }}
{{- $known := include "salesforce-replicator.alerts" . | fromYaml }}
{{- with .Values.prometheusRule }}
{{- $named := dict "disabled" .disabled "thresholds" (keys .thresholds) "for" (keys .for) "severities" (keys .severities) }}
{{- range $key, $alerts := $named }}
{{- range $alerts }}
{{- if not (hasKey $known .) }}
{{- $wrong = append $wrong (printf "prometheusRule.%s: there is no alert %s; there are %s" $key . (keys $known | sortAlpha | join ", ")) }}
{{- else if and (eq $key "thresholds") (not (regexMatch (include "salesforce-replicator.comparison" $) (get $known .))) }}
{{- $wrong = append $wrong (printf "prometheusRule.thresholds: %s compares with no number" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "\n\n  * %s\n" (join "\n  * " $wrong)) }}
{{- end }}
{{- end }}

{{- /* The expressions of the alerts, by name. */}}
{{- define "salesforce-replicator.alerts" -}}
{{- $expressions := dict }}
{{- range $path, $file := .Files.Glob "files/rules/*.yaml" }}
{{- range (toString $file | fromYaml).groups }}
{{- range .rules }}
{{- if .alert }}
{{- $_ := set $expressions .alert .expr }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $expressions }}
{{- end }}

{{- /* What is replaced by another threshold: == is no comparison by degrees. */}}
{{- define "salesforce-replicator.comparison" -}}
([<>]) [0-9.]+
{{- end }}
