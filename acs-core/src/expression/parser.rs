//! Text to [`Expression`]: recursive descent. There are no tokens, since names may contain expressions; the smallest pieces are
//! read by `scanner`.
//!
//! Everything that could exhaust the stack or memory is bounded: the length of the text, how deeply parentheses, arguments and
//! fragments nest, and the height of the resulting tree.

use super::scanner::{Scanner, is_name_character};
use super::{ArithmeticOperator, CompareOperator, Expression, ExpressionError, NamePart, Scalar};

/// The longest text that is read, in bytes.
pub const MAXIMUM_LENGTH: usize = 256 * 1024;
/// How deeply parentheses, arguments, `CASE` and name fragments may nest.
pub const MAXIMUM_NESTING: usize = 100;
/// How high a tree may be. `AND`, `OR` and `||` take any number of operands at one level; `a + b + c + …` grows with each.
pub const MAXIMUM_HEIGHT: usize = 200;

/// The words that are no parameter names unless written as a fragment: `{"END"}`.
const RESERVED: [&str; 14] =
    ["AND", "CASE", "ELSE", "END", "ESCAPE", "FALSE", "IS", "LIKE", "NOT", "NULL", "OR", "THEN", "TRUE", "WHEN"];

/// Reads an expression. Empty text is `NULL`.
pub fn parse(text: &str) -> Result<Expression, ExpressionError> {
    let mut parser = Parser { scanner: Scanner::new(text), nesting: 0 };
    if text.len() > MAXIMUM_LENGTH {
        return Err(parser.scanner.error(0, format!("longer than {MAXIMUM_LENGTH} bytes")));
    }
    parser.scanner.skip_space();
    if parser.scanner.peek().is_none() {
        return Ok(Expression::Literal(Scalar::Null));
    }
    let parsed = parser.disjunction()?;
    parser.scanner.skip_space();
    match parser.scanner.peek() {
        None => Ok(parsed.expression),
        Some(found) => Err(parser.scanner.unexpected(found)),
    }
}

/// Whether a word cannot be written plainly as a parameter's name.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    nesting: usize,
}

/// A subtree and how high it is.
struct Parsed {
    expression: Expression,
    height: usize,
}

type Parsing = Result<Parsed, ExpressionError>;

impl Parser<'_> {
    fn disjunction(&mut self) -> Parsing {
        self.operands(Self::conjunction, |parser| parser.scanner.accept_keyword("OR"), Expression::Or)
    }

    fn conjunction(&mut self) -> Parsing {
        self.operands(Self::negation, |parser| parser.scanner.accept_keyword("AND"), Expression::And)
    }

    fn concatenation(&mut self) -> Parsing {
        self.operands(|parser| parser.arithmetic(0), |parser| parser.scanner.accept("||"), Expression::Concatenate)
    }

    /// One operand, or several with the same separator between them.
    fn operands(
        &mut self,
        operand: impl Fn(&mut Self) -> Parsing,
        separator: impl Fn(&mut Self) -> bool,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Parsing {
        let first = operand(self)?;
        if !separator(self) {
            return Ok(first);
        }
        let mut height = first.height;
        let mut operands = vec![first.expression];
        loop {
            let next = operand(self)?;
            height = height.max(next.height);
            operands.push(next.expression);
            if !separator(self) {
                return self.node(join(operands), height);
            }
        }
    }

    fn negation(&mut self) -> Parsing {
        let mut negations = 0;
        while self.scanner.accept_keyword("NOT") {
            negations += 1;
        }
        let mut parsed = self.comparison()?;
        for _ in 0..negations {
            parsed = self.node(Expression::Not(Box::new(parsed.expression)), parsed.height)?;
        }
        Ok(parsed)
    }

    fn comparison(&mut self) -> Parsing {
        const OPERATORS: [CompareOperator; 6] = [
            CompareOperator::NotEqual,
            CompareOperator::LessOrEqual,
            CompareOperator::GreaterOrEqual,
            CompareOperator::Equal,
            CompareOperator::Less,
            CompareOperator::Greater,
        ];
        let Parsed { expression: value, height } = self.concatenation()?;
        for operator in OPERATORS {
            if self.scanner.accept(operator.as_str()) {
                let right = self.concatenation()?;
                let height = height.max(right.height);
                let comparison = Expression::compare(value, operator, right.expression);
                return self.unchained(comparison, height);
            }
        }
        if self.scanner.accept_keyword("IS") {
            let negated = self.scanner.accept_keyword("NOT");
            self.scanner.expect_keyword("NULL")?;
            return self.unchained(Expression::is_null(value, negated), height);
        }
        let negated = self.scanner.accept_keyword("NOT");
        if self.scanner.accept_keyword("LIKE") {
            return self.like(Parsed { expression: value, height }, negated);
        }
        if negated {
            return Err(self.scanner.expected("LIKE after NOT"));
        }
        Ok(Parsed { expression: value, height })
    }

    fn like(&mut self, value: Parsed, negated: bool) -> Parsing {
        let pattern = self.concatenation()?;
        let mut height = value.height.max(pattern.height);
        let mut escape = None;
        if self.scanner.accept_keyword("ESCAPE") {
            let parsed = self.concatenation()?;
            height = height.max(parsed.height);
            escape = Some(Box::new(parsed.expression));
        }
        let like = Expression::Like {
            value: Box::new(value.expression),
            pattern: Box::new(pattern.expression),
            escape,
            negated,
        };
        self.unchained(like, height)
    }

    /// A comparison, after making sure that it is not the left operand of another.
    fn unchained(&mut self, expression: Expression, height: usize) -> Parsing {
        self.scanner.skip_space();
        let word = self.scanner.word();
        let chained = matches!(self.scanner.peek(), Some('=' | '<' | '>'))
            || ["IS", "LIKE", "NOT"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
        if chained {
            return Err(self.scanner.error(
                self.scanner.position,
                "comparisons do not chain; put parentheses around one, or AND between them",
            ));
        }
        self.node(expression, height)
    }

    /// Sums (level 0) and products (level 1).
    fn arithmetic(&mut self, level: usize) -> Parsing {
        const LEVELS: [&[ArithmeticOperator]; 2] = [
            &[ArithmeticOperator::Add, ArithmeticOperator::Subtract],
            &[ArithmeticOperator::Multiply, ArithmeticOperator::Divide, ArithmeticOperator::Remainder],
        ];
        let Some(operators) = LEVELS.get(level) else {
            return self.primary();
        };
        let mut left = self.arithmetic(level + 1)?;
        while let Some(operator) = operators.iter().copied().find(|operator| self.scanner.accept(operator.as_str())) {
            let right = self.arithmetic(level + 1)?;
            let height = left.height.max(right.height);
            let (a, b) = (Box::new(left.expression), Box::new(right.expression));
            left = self.node(Expression::Arithmetic(operator, a, b), height)?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Parsing {
        self.scanner.skip_space();
        let start = self.scanner.position;
        match self.scanner.peek() {
            None => Err(self.scanner.error(start, "expected a value, found the end")),
            Some('(') => {
                self.scanner.position += 1;
                let inner = self.nested(Self::disjunction)?;
                self.scanner.expect(")")?;
                Ok(inner)
            }
            Some('"') => Ok(leaf(Scalar::Text(self.scanner.double_quoted()?))),
            Some('\'') => Ok(leaf(Scalar::Text(self.scanner.single_quoted()?))),
            Some('{') => self.name(),
            Some(character) if is_name_character(character) => match self.scanner.number()? {
                Some(number) => Ok(leaf(Scalar::Number(number))),
                None => self.word_or_name(),
            },
            Some(found) => Err(self.scanner.unexpected(found)),
        }
    }

    /// A keyword that is a value, a function call, or a parameter's name.
    fn word_or_name(&mut self) -> Parsing {
        let start = self.scanner.position;
        let word = self.scanner.word();
        if self.scanner.text[start + word.len()..].starts_with('{') {
            return self.name();
        }
        let keyword = word.to_ascii_uppercase();
        let value = match keyword.as_str() {
            "TRUE" => Some(Scalar::Bool(true)),
            "FALSE" => Some(Scalar::Bool(false)),
            "NULL" => Some(Scalar::Null),
            _ => None,
        };
        if let Some(value) = value {
            self.scanner.position += word.len();
            return Ok(leaf(value));
        }
        match keyword.as_str() {
            "CASE" => {
                self.scanner.position += word.len();
                return self.nested(Self::case);
            }
            "NOT" => {
                return Err(self.scanner.error(start, "NOT needs parentheses around it here"));
            }
            _ if is_reserved(word) => {
                let message =
                    format!("expected a value, found {keyword}; a parameter of that name is written {{\"{word}\"}}");
                return Err(self.scanner.error(start, message));
            }
            _ => {}
        }
        self.scanner.position += word.len();
        if !self.scanner.accept("(") {
            return Ok(Parsed { expression: Expression::parameter(word), height: 1 });
        }
        if !word.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') {
            return Err(self.scanner.error(start, format!("{word} cannot be a function's name")));
        }
        let mut arguments = Vec::new();
        let mut height = 0;
        if !self.scanner.accept(")") {
            loop {
                let argument = self.nested(Self::disjunction)?;
                height = height.max(argument.height);
                arguments.push(argument.expression);
                if !self.scanner.accept(",") {
                    break;
                }
            }
            self.scanner.expect(")")?;
        }
        self.node(Expression::Call { name: keyword, arguments }, height)
    }

    fn case(&mut self) -> Parsing {
        let mut branches = Vec::new();
        let mut otherwise = None;
        let mut height = 0;
        let mut part = |parser: &mut Self| -> Result<Expression, ExpressionError> {
            let parsed = parser.disjunction()?;
            height = height.max(parsed.height);
            Ok(parsed.expression)
        };
        while self.scanner.accept_keyword("WHEN") {
            let condition = part(self)?;
            self.scanner.expect_keyword("THEN")?;
            branches.push((condition, part(self)?));
        }
        if branches.is_empty() {
            return Err(self.scanner.error(self.scanner.position, "expected WHEN after CASE"));
        }
        if self.scanner.accept_keyword("ELSE") {
            otherwise = Some(Box::new(part(self)?));
        }
        self.scanner.expect_keyword("END")?;
        self.node(Expression::Case { branches, otherwise }, height)
    }

    /// A parameter's name with fragments.
    fn name(&mut self) -> Parsing {
        let mut parts = Vec::new();
        let mut height = 0;
        loop {
            let word = self.scanner.word();
            if !word.is_empty() {
                self.scanner.position += word.len();
                parts.push(NamePart::Text(word.into()));
            }
            if self.scanner.peek() != Some('{') {
                break;
            }
            self.scanner.position += 1;
            if let Some(text) = self.constant_fragment() {
                parts.push(NamePart::Text(text));
                continue;
            }
            let fragment = self.nested(Self::disjunction)?;
            self.scanner.expect("}")?;
            height = height.max(fragment.height);
            parts.push(NamePart::Fragment(fragment.expression));
        }
        self.node(Expression::parameter_of_parts(parts), height)
    }

    /// A fragment of nothing but a text in quotes, which is how a piece of a name is printed that cannot be written plainly. It counts
    /// no more than the plain piece does, so that what is printed can be read however near its text was to the limits.
    fn constant_fragment(&mut self) -> Option<String> {
        let start = self.scanner.position;
        if self.scanner.peek() == Some('"')
            && let Ok(text) = self.scanner.double_quoted()
            && self.scanner.accept("}")
        {
            return Some(text);
        }
        self.scanner.position = start;
        None
    }

    fn nested(&mut self, inner: impl Fn(&mut Self) -> Parsing) -> Parsing {
        if self.nesting >= MAXIMUM_NESTING {
            let message = format!("nested more than {MAXIMUM_NESTING} levels deep");
            return Err(self.scanner.error(self.scanner.position, message));
        }
        self.nesting += 1;
        let parsed = inner(self)?;
        self.nesting -= 1;
        Ok(parsed)
    }

    /// A node above children of this height.
    fn node(&self, expression: Expression, height_below: usize) -> Parsing {
        if height_below >= MAXIMUM_HEIGHT {
            let message = format!("more than {MAXIMUM_HEIGHT} operations within each other");
            return Err(self.scanner.error(self.scanner.position, message));
        }
        Ok(Parsed { expression, height: height_below + 1 })
    }
}

fn leaf(value: Scalar) -> Parsed {
    Parsed { expression: Expression::Literal(value), height: 1 }
}
