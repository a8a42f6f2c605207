package wire

import "bytes"

// Relaxed converts the JSON that Azure accepts for templates into plain JSON: comments, keys without quotes (az sends `template:`
// like this), commas before a closing bracket, and strings over several lines. It leaves other faults, which the decoder reports.
func Relaxed(in []byte) []byte {
	out := make([]byte, 0, len(in)+16)
	for i := 0; i < len(in); {
		switch c := in[i]; {
		case c == '"':
			i, out = quoted(in, i, out)
		case c == '/' && i+1 < len(in) && (in[i+1] == '/' || in[i+1] == '*'):
			i = afterComment(in, i)
		case c == '}' || c == ']':
			out = append(bytes.TrimSuffix(bytes.TrimRight(out, " \t\r\n"), []byte(",")), c)
			i++
		case c == '_' || c == '$' || c|0x20 >= 'a' && c|0x20 <= 'z':
			i, out = word(in, i, out)
		default:
			out = append(out, c)
			i++
		}
	}
	return out
}

// quoted copies a string; line breaks in it are escaped.
func quoted(in []byte, i int, out []byte) (int, []byte) {
	out = append(out, '"')
	for i++; i < len(in); i++ {
		switch c := in[i]; c {
		case '\\':
			out = append(out, c)
			if i++; i < len(in) {
				out = append(out, in[i])
			}
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, c)
			if c == '"' {
				return i + 1, out
			}
		}
	}
	return i, out
}

func afterComment(in []byte, i int) int {
	end, skip := "\n", 0
	if in[i+1] == '*' {
		end, skip = "*/", 2
	}
	if n := bytes.Index(in[i+2:], []byte(end)); n >= 0 {
		return i + 2 + n + skip
	}
	return len(in)
}

// word copies a bare word, in quotes when it is a key.
func word(in []byte, i int, out []byte) (int, []byte) {
	start := i
	for i < len(in) && (in[i] == '_' || in[i] == '$' || in[i] >= '0' && in[i] <= '9' || in[i]|0x20 >= 'a' && in[i]|0x20 <= 'z') {
		i++
	}
	after := bytes.TrimLeft(in[i:], " \t\r\n")
	if len(after) > 0 && after[0] == ':' {
		return i, append(append(append(out, '"'), in[start:i]...), '"')
	}
	return i, append(out, in[start:i]...)
}
