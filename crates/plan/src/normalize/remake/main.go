// Prints how Go reads and writes the JSON of every built-in kind of Kubernetes: see remake.sh.
package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// The types that write themselves, by their letter.
var special = map[reflect.Type]string{
	reflect.TypeOf(resource.Quantity{}):    "q",
	reflect.TypeOf(metav1.Time{}):          "t",
	reflect.TypeOf(metav1.MicroTime{}):     "u",
	reflect.TypeOf(metav1.Duration{}):      "d",
	reflect.TypeOf(intstr.IntOrString{}):   "x",
	reflect.TypeOf(runtime.RawExtension{}): "r",
	reflect.TypeOf(metav1.FieldsV1{}):      "r",
}

var (
	numbers = map[reflect.Type]int{}
	structs []reflect.Type
	lines   []string
)

func expression(t reflect.Type) string {
	if letter, ok := special[t]; ok {
		return letter
	}
	marshaler := reflect.TypeOf((*json.Marshaler)(nil)).Elem()
	text := reflect.TypeOf((*encoding.TextMarshaler)(nil)).Elem()
	if t.Kind() != reflect.Ptr && (t.Implements(marshaler) || t.Implements(text) || reflect.PtrTo(t).Implements(marshaler)) {
		fmt.Fprintln(os.Stderr, "a type of its own:", t)
		os.Exit(1)
	}
	switch t.Kind() {
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int32:
		return "j"
	case reflect.Int, reflect.Int64:
		return "i"
	case reflect.Uint8, reflect.Uint16:
		return "j"
	case reflect.Float64:
		return "f"
	case reflect.Ptr:
		return "*" + expression(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "B"
		}
		return "[" + expression(t.Elem())
	case reflect.Map:
		return "{" + expression(t.Elem())
	case reflect.Struct:
		if _, ok := numbers[t]; !ok {
			numbers[t] = len(structs)
			structs = append(structs, t)
		}
		return fmt.Sprint(numbers[t])
	}
	fmt.Fprintln(os.Stderr, "unknown:", t)
	os.Exit(1)
	return ""
}

func fields(t reflect.Type) []string {
	var out []string
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if name == "-" || !field.IsExported() {
			continue
		}
		if strings.Contains(options, "inline") || (name == "" && field.Anonymous) {
			out = append(out, fields(field.Type)...)
			continue
		}
		flags := ""
		if strings.Contains(options, "omitempty") {
			flags += "?"
		}
		if strings.Contains(options, "omitzero") {
			flags += "z"
		}
		out = append(out, name+":"+expression(field.Type)+flags)
	}
	return out
}

func main() {
	object := reflect.TypeOf((*metav1.Object)(nil)).Elem()
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal {
			continue
		}
		number := "!"
		if reflect.PtrTo(t).Implements(object) {
			number = ""
		}
		lines = append(lines, fmt.Sprintf("%s/%s/%s %s", gvk.Group, gvk.Version, gvk.Kind, number))
	}
	sort.Strings(lines)
	for _, line := range lines {
		name, mark, _ := strings.Cut(line, " ")
		if mark == "!" {
			fmt.Println(name, "!")
			continue
		}
		parts := strings.Split(name, "/")
		for gvk, t := range scheme.Scheme.AllKnownTypes() {
			if gvk.Group == parts[0] && gvk.Version == parts[1] && gvk.Kind == parts[2] {
				fmt.Println(name, expression(t))
			}
		}
	}
	fmt.Println()
	for i := 0; i < len(structs); i++ {
		fmt.Println(strings.Join(fields(structs[i]), " "))
	}
}
