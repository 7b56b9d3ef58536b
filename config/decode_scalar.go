package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// scalar reads a single value into v.
func (d *decoder) scalar(node ast.Node, v reflect.Value, path string) {
	d.show(node, v.Type())
	text, ok := textOf(node)
	if !ok {
		d.fail(path, startOf(node), "a single value is needed here, not "+describe(node), "")
		return
	}
	switch {
	case v.Type() == secretType:
		if secret, ok := d.secret(node, path); ok {
			v.Set(reflect.ValueOf(secret))
		}
	case v.Type() == durationType, v.Type() == stdDurationType:
		d.duration(node, text, v, path)
	case v.Type() == bytesType:
		size, err := ParseBytes(strings.ReplaceAll(text, "_", ""))
		if err != nil {
			d.fail(path, startOf(node), quote(text)+" is not a size", "Write a number of bytes, or a number with a unit such as 50MB or 50MiB.")
			return
		}
		v.SetInt(int64(size))
	case v.Type() == prefixType:
		d.prefix(node, text, v, path)
	case reflect.PointerTo(v.Type()).Implements(textType):
		reader, _ := v.Addr().Interface().(encoding.TextUnmarshaler)
		if err := reader.UnmarshalText([]byte(text)); err != nil {
			d.fail(path, startOf(node), "the value is not valid here", "")
		}
	default:
		d.plain(node, text, v, path)
	}
}

// plain reads text, numbers and booleans.
func (d *decoder) plain(node ast.Node, text string, v reflect.Value, path string) {
	if want, isNumber := kindsWithNumbers[v.Kind()]; isNumber {
		if !setNumber(cleanNumber(node), node, v) {
			message, remedy := want+" is needed here, not "+quote(text), "Write the number without quotes or unit."
			if _, whole := node.(*ast.IntegerNode); whole {
				message, remedy = text+" is out of range", "Write a number that makes sense here."
			}
			d.fail(path, startOf(node), message, remedy)
		}
		return
	}
	flag, isBool := node.(*ast.BoolNode)
	switch {
	case v.Kind() == reflect.Bool && isBool:
		v.SetBool(flag.Value)
	case v.Kind() == reflect.Bool:
		d.fail(path, startOf(node), "true or false is needed here, not "+quote(text), "")
	case v.Kind() != reflect.String:
		d.fail(path, startOf(node), "a value is not supported here", "")
	case isBool:
		d.fail(path, startOf(node), "text is needed here, not "+text, "Write it in quotes if it is meant as text.")
	case v.Type().Implements(enumType):
		d.enum(node, text, v, path)
	default:
		v.SetString(text)
	}
}

// setNumber sets v from the digits of a YAML number and reports whether they fit.
func setNumber(digits string, node ast.Node, v reflect.Value) bool {
	_, whole := node.(*ast.IntegerNode)
	_, float := node.(*ast.FloatNode)
	bits := v.Type().Bits()
	switch {
	case whole && v.CanInt():
		n, err := strconv.ParseInt(digits, 0, bits)
		v.SetInt(n)
		return err == nil
	case whole && v.CanUint():
		n, err := strconv.ParseUint(digits, 0, bits)
		v.SetUint(n)
		return err == nil
	case (whole || float) && v.CanFloat():
		n, err := strconv.ParseFloat(digits, bits)
		v.SetFloat(n)
		return err == nil
	}
	return false
}

// duration reads a length of time.
func (d *decoder) duration(node ast.Node, text string, v reflect.Value, path string) {
	length, err := ParseDuration(text)
	if err != nil {
		message := quote(text) + " is not a length of time"
		if _, number := node.(*ast.IntegerNode); number {
			message = quote(text) + " has no unit"
		}
		d.fail(path, startOf(node), message, "Write a number with a unit, such as 90s, 15m, 4h or 7d.")
		return
	}
	v.SetInt(int64(length))
}

// prefix reads a network in CIDR notation; a single address is a network of one.
func (d *decoder) prefix(node ast.Node, text string, v reflect.Value, path string) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		addr, addrErr := netip.ParseAddr(text)
		if addrErr != nil || addr.Zone() != "" {
			d.fail(path, startOf(node), quote(text)+" is not a network", "Write it as 10.1.0.0/16, 2001:db8::/32 or a single address.")
			return
		}
		network = netip.PrefixFrom(addr, addr.BitLen())
	}
	// In one form, so that an address without the IPv6 prefix is found in it.
	v.Set(reflect.ValueOf(unmapped(network.Masked())))
}

// enum reads a value of a closed set.
func (d *decoder) enum(node ast.Node, text string, v reflect.Value, path string) {
	kind, _ := v.Interface().(Enum)
	if !slices.Contains(kind.Allowed(), text) {
		d.fail(path, startOf(node), quote(text)+" is not one of the allowed values", "Write "+oneOf(kind.Allowed())+".")
		return
	}
	v.SetString(text)
}

// quote quotes a value for a message and cuts very long ones.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
