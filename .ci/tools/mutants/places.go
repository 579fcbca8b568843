package main

import (
	"go/ast"
	"go/token"
)

// cases mutates a switch without a tag: each condition, and the order of each two
// neighbours, since the first that holds wins.
func (m *mutator) cases(n *ast.SwitchStmt, condition func(ast.Expr), add func(ast.Node, change)) {
	if n.Tag != nil {
		return
	}
	for _, c := range n.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			condition(e)
		}
	}
	if n.Init != nil {
		return
	}
	for i := 0; i+1 < len(n.Body.List); i++ {
		a, b := n.Body.List[i].(*ast.CaseClause), n.Body.List[i+1].(*ast.CaseClause)
		if len(a.List) == 0 || len(b.List) == 0 {
			continue // default holds a place only
		}
		id := m.add(swap, &ast.SwitchStmt{Switch: a.Pos(), Body: &ast.BlockStmt{List: []ast.Stmt{
			&ast.CaseClause{Case: a.Pos(), List: a.List}, &ast.CaseClause{Case: b.Pos(), List: b.List},
		}}})
		add(n, func(now ast.Node) ast.Node { return swappedCases(id, now.(ast.Stmt), i) })
	}
}

func (m *mutator) call(n *ast.CallExpr, add func(ast.Node, change)) {
	switch name := called(n); {
	case (name == "min" || name == "max") && len(n.Args) == 2:
		other := map[string]string{"min": "max", "max": "min"}[name]
		id := m.add(bound, n)
		add(n, func(now ast.Node) ast.Node {
			return pick(id, now.(ast.Expr), &ast.CallExpr{Fun: ast.NewIdent(other), Args: n.Args})
		})
	case (name == "cmp.Compare" || name == "strings.Compare") && len(n.Args) == 2:
		id := m.add(swap, n)
		add(n, func(now ast.Node) ast.Node {
			return pick(id, now.(ast.Expr), &ast.CallExpr{Fun: n.Fun, Args: []ast.Expr{n.Args[1], n.Args[0]}})
		})
	case name == "consul.Create" || name == "consul.CAS":
		id := m.add(unfence, n)
		set := &ast.SelectorExpr{X: ast.NewIdent("consul"), Sel: ast.NewIdent("Set")}
		add(n, func(now ast.Node) ast.Node {
			return pick(id, now.(ast.Expr), &ast.CallExpr{Fun: set, Args: n.Args[:2]})
		})
	case name == "append" && len(n.Args) == 2 && !n.Ellipsis.IsValid() && fences(n.Args[1]):
		id := m.add(unfence, n)
		add(n, func(now ast.Node) ast.Node { return pick(id, now.(ast.Expr), n.Args[0]) })
	}
}

// fences: the element is a check that guards the other steps of a transaction.
func fences(e ast.Expr) bool {
	c, ok := e.(*ast.CallExpr)
	return ok && (called(c) == "consul.CheckIndex" || called(c) == "consul.CheckSession" || called(c) == "CheckSession")
}

func called(n *ast.CallExpr) string {
	switch f := n.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// steps swaps neighbours that return early: the order of guards is a decision too.
func (m *mutator) steps(list []ast.Stmt, add func(ast.Node, change)) {
	for i, s := range list {
		if i+1 < len(list) && guard(s) && guard(list[i+1]) {
			a, b := s.(*ast.IfStmt), list[i+1].(*ast.IfStmt)
			id := m.add(swap, &ast.BinaryExpr{X: a.Cond, OpPos: a.Pos(), Op: token.LAND, Y: b.Cond})
			m.swapGuards(id, a, b, add)
		}
	}
}

// swapGuards asks the second guard before the first one as well: when it holds, it
// wins.
func (m *mutator) swapGuards(id int, a, b *ast.IfStmt, add func(ast.Node, change)) {
	add(a, func(now ast.Node) ast.Node {
		first := &ast.IfStmt{
			Cond: &ast.BinaryExpr{X: on(id), Op: token.LAND, Y: &ast.ParenExpr{X: b.Cond}},
			Body: b.Body,
		}
		return &ast.BlockStmt{List: []ast.Stmt{first, now.(ast.Stmt)}}
	})
}

// failed: the condition is err != nil. What comes after it could not be asked before.
func failed(e ast.Expr) bool {
	b, ok := e.(*ast.BinaryExpr)
	if !ok || b.Op != token.NEQ {
		return false
	}
	x, ok := b.X.(*ast.Ident)
	return ok && x.Name == "err"
}

// guard: an if without a declaration of its own, without else, that leaves.
func guard(s ast.Stmt) bool {
	n, ok := s.(*ast.IfStmt)
	if !ok || n.Init != nil || n.Else != nil || len(n.Body.List) == 0 || failed(n.Cond) {
		return false
	}
	switch last := n.Body.List[len(n.Body.List)-1].(type) {
	case *ast.ReturnStmt:
		return true
	case *ast.BranchStmt:
		return last.Tok == token.CONTINUE && last.Label == nil
	}
	return false
}
