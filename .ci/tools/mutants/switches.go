package main

import (
	"go/ast"
	"go/token"
	"strconv"
)

// The forms that a switched place takes. A switch is a call of one of the
// functions in switchCode.

// switchCode goes into each mutated package.
const switchCode = `
import (
	"os"
	"strconv"
)

var mutant_number, _ = strconv.Atoi(os.Getenv("MUTANT"))

func mutant_on(n int) bool { return mutant_number == n }

func mutant_pick[T any](n int, was, other T) T {
	if mutant_number == n {
		return other
	}
	return was
}
`

func number(id int) ast.Expr { return &ast.BasicLit{Kind: token.INT, Value: strconv.Itoa(id)} }

func on(id int) ast.Expr {
	return &ast.CallExpr{Fun: ast.NewIdent("mutant_on"), Args: []ast.Expr{number(id)}}
}

func negated(id int, e ast.Expr) ast.Expr {
	return &ast.ParenExpr{X: &ast.BinaryExpr{X: on(id), Op: token.NEQ, Y: &ast.ParenExpr{X: e}}}
}

func pick(id int, was, other ast.Expr) ast.Expr {
	return &ast.CallExpr{Fun: ast.NewIdent("mutant_pick"), Args: []ast.Expr{number(id), was, other}}
}

// moved gives a comparison whose bound itself falls on the other side.
func moved(id int, now ast.Node) ast.Expr {
	was := inner(now).(*ast.BinaryExpr)
	other := map[token.Token]token.Token{
		token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	}[was.Op]
	return pick(id, now.(ast.Expr), &ast.BinaryExpr{X: was.X, Op: other, Y: was.Y})
}

// swappedCases has the switch twice, once with two neighbours in the other order.
func swappedCases(id int, now ast.Stmt, i int) ast.Stmt {
	was := innerSwitch(now)
	list := append([]ast.Stmt(nil), was.Body.List...)
	list[i], list[i+1] = list[i+1], list[i]
	return &ast.IfStmt{
		Cond: on(id),
		Body: &ast.BlockStmt{List: []ast.Stmt{&ast.SwitchStmt{Body: &ast.BlockStmt{List: list}}}},
		Else: &ast.BlockStmt{List: []ast.Stmt{now}},
	}
}

func innerSwitch(s ast.Stmt) *ast.SwitchStmt {
	for {
		switch x := s.(type) {
		case *ast.SwitchStmt:
			return x
		case *ast.IfStmt:
			s = x.Else.(*ast.BlockStmt).List[0]
		}
	}
}
