package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"strings"

	"golang.org/x/tools/go/ast/astutil"
)

// operator is a kind of mutant.
type operator string

// The kinds.
const (
	negate  operator = "condition negated"
	bound   operator = "bound moved"
	unfence operator = "write unfenced"
	swap    operator = "order swapped"
)

// mutator rewrites one file: each place gets a switch, behind a number.
type mutator struct {
	fset *token.FileSet
	file string
	// fn is the function that is being rewritten.
	fn      string
	next    *int
	mutants []*mutant
	seen    map[string]int
	failed  error
}

// mutant is one change.
type mutant struct {
	number int
	// name is the same as long as the code is: file, function, kind, the code, and
	// which one of several alike.
	name   string
	kind   operator
	line   int
	target *target
}

func (m *mutator) add(kind operator, at ast.Node) int {
	var text bytes.Buffer
	if err := format.Node(&text, m.fset, at); err != nil && m.failed == nil {
		m.failed = err
	}
	code := strings.Join(strings.Fields(text.String()), " ")
	if len(code) > 90 {
		code = code[:90] + "…"
	}
	name := fmt.Sprintf("%s: %s: %s: %s", m.file, m.fn, kind, code)
	m.seen[name]++
	if n := m.seen[name]; n > 1 {
		name += fmt.Sprintf(" (%d)", n)
	}
	*m.next++
	m.mutants = append(m.mutants, &mutant{number: *m.next, name: name, kind: kind, line: m.fset.Position(at.Pos()).Line})
	return *m.next
}

// rewrite mutates the functions of a file, from the inside out, so that names are
// made from what each node was.
func (m *mutator) rewrite(f *ast.File) error {
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		m.fn = fn.Name.Name
		plans := m.survey(fn.Body)
		astutil.Apply(fn.Body, nil, func(c *astutil.Cursor) bool {
			now := c.Node()
			for _, p := range plans[c.Node()] {
				now = p(now)
			}
			if now != c.Node() {
				c.Replace(now)
			}
			return true
		})
	}
	return m.failed
}

// change makes a node's switched form from the node as it stands by then, its own
// inside already switched.
type change func(now ast.Node) ast.Node

// survey finds every place first, so that a name shows the code and no switch.
func (m *mutator) survey(body *ast.BlockStmt) map[ast.Node][]change {
	plans := map[ast.Node][]change{}
	add := func(n ast.Node, c change) { plans[n] = append(plans[n], c) }
	conditions := map[ast.Expr]bool{}
	condition := func(e ast.Expr) {
		if e == nil || conditions[e] {
			return
		}
		conditions[e] = true
		id := m.add(negate, e)
		add(e, func(now ast.Node) ast.Node { return negated(id, now.(ast.Expr)) })
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			return n.Tok == token.VAR
		case *ast.IfStmt:
			condition(n.Cond)
		case *ast.ForStmt:
			condition(n.Cond)
		case *ast.SwitchStmt:
			m.cases(n, condition, add)
		case *ast.BinaryExpr:
			m.binary(n, condition, add)
		case *ast.CallExpr:
			m.call(n, add)
		case *ast.BlockStmt:
			m.steps(n.List, add)
		case *ast.CaseClause:
			m.steps(n.Body, add)
		}
		return true
	})
	return plans
}

func (m *mutator) binary(n *ast.BinaryExpr, condition func(ast.Expr), add func(ast.Node, change)) {
	switch n.Op {
	case token.LAND, token.LOR:
		condition(n.X)
		condition(n.Y)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		id := m.add(bound, n)
		add(n, func(now ast.Node) ast.Node { return moved(id, now) })
		for _, side := range []ast.Expr{n.X, n.Y} {
			if b, ok := side.(*ast.BinaryExpr); ok && (b.Op == token.ADD || b.Op == token.SUB) {
				id := m.add(bound, b)
				add(b, func(now ast.Node) ast.Node {
					x := inner(now).(*ast.BinaryExpr)
					return pick(id, now.(ast.Expr), x.X)
				})
			}
		}
	case token.EQL, token.NEQ:
		condition(n)
	}
}

// inner finds a node inside of the switches that were put around it.
func inner(n ast.Node) ast.Node {
	for {
		switch x := n.(type) {
		case *ast.ParenExpr:
			n = x.X
		case *ast.BinaryExpr:
			if c, ok := x.X.(*ast.CallExpr); ok && x.Op == token.NEQ && isSwitch(c) {
				n = x.Y
				continue
			}
			return n
		case *ast.CallExpr:
			if !isSwitch(x) {
				return n
			}
			n = x.Args[1]
		default:
			return n
		}
	}
}

func isSwitch(c *ast.CallExpr) bool {
	f, ok := c.Fun.(*ast.Ident)
	return ok && strings.HasPrefix(f.Name, "mutant_")
}
