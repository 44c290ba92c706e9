use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

/// Names of parameters, among them awkward ones: keywords, numbers, empty, with characters that names cannot hold.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab]",
        1 => Just("Device.X-1.*".to_owned()),
        1 => prop_oneof![Just(""), Just("null"), Just("END"), Just("5"), Just("-1"), Just("a b"), Just("{x}\"é"), Just("0_x")]
            .prop_map(str::to_owned),
    ]
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        1 => Just(Scalar::Null),
        2 => any::<bool>().prop_map(Scalar::Bool),
        2 => (-3i64..4).prop_map(Scalar::from),
        1 => any::<f64>().prop_map(Scalar::number),
        2 => prop_oneof![Just(""), Just("1"), Just("ab%"), Just("_"), Just("a\nb")].prop_map(Scalar::from),
        1 => "\\PC{0,4}".prop_map(Scalar::from),
        1 => any::<String>().prop_map(Scalar::from),
    ]
}

fn compare_operator() -> impl Strategy<Value = CompareOperator> {
    prop_oneof![
        Just(CompareOperator::Equal),
        Just(CompareOperator::NotEqual),
        Just(CompareOperator::Less),
        Just(CompareOperator::LessOrEqual),
        Just(CompareOperator::Greater),
        Just(CompareOperator::GreaterOrEqual),
    ]
}

fn arithmetic_operator() -> impl Strategy<Value = ArithmeticOperator> {
    prop_oneof![
        Just(ArithmeticOperator::Add),
        Just(ArithmeticOperator::Subtract),
        Just(ArithmeticOperator::Multiply),
        Just(ArithmeticOperator::Divide),
        Just(ArithmeticOperator::Remainder),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![scalar().prop_map(Expression::Literal), name().prop_map(Expression::Parameter),];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let part = prop_oneof![name().prop_map(NamePart::Text), inner.clone().prop_map(NamePart::Fragment)];
        let function = prop_oneof![
            (0..Function::ALL.len()).prop_map(|index| Function::ALL[index].name().to_owned()),
            Just("F_1".to_owned())
        ];
        prop_oneof![
            boxed().prop_map(Expression::Not),
            vec(inner.clone(), 2..4).prop_map(Expression::And),
            vec(inner.clone(), 2..4).prop_map(Expression::Or),
            vec(inner.clone(), 2..4).prop_map(Expression::Concatenate),
            (compare_operator(), boxed(), boxed()).prop_map(|(o, a, b)| Expression::Compare(o, a, b)),
            (arithmetic_operator(), boxed(), boxed()).prop_map(|(o, a, b)| Expression::Arithmetic(o, a, b)),
            (boxed(), boxed(), proptest::option::of(boxed()), any::<bool>())
                .prop_map(|(value, pattern, escape, negated)| Expression::Like { value, pattern, escape, negated }),
            (inner.clone(), any::<bool>()).prop_map(|(value, negated)| Expression::is_null(value, negated)),
            (function, vec(inner.clone(), 0..3)).prop_map(|(name, arguments)| Expression::Call { name, arguments }),
            (vec((inner.clone(), inner.clone()), 1..3), proptest::option::of(boxed()))
                .prop_map(|(branches, otherwise)| Expression::Case { branches, otherwise }),
            vec(part, 1..4).prop_map(Expression::parameter_of_parts),
        ]
    })
}

/// Some parameters that exist, and whether each is known yet.
fn parameters() -> impl Strategy<Value = (Parameters, BTreeMap<String, bool>)> {
    (btree_map(name(), scalar(), 0..4), btree_map(name(), any::<bool>(), 0..4))
        .prop_map(|(values, known)| (Parameters(values), known))
}

/// Part of what a context knows.
struct Partly<'c>(&'c Parameters, &'c BTreeMap<String, bool>, bool);

impl Known for Partly<'_> {
    fn parameter(&self, path: &str) -> Option<Scalar> {
        self.1.get(path).copied().unwrap_or(false).then(|| self.0.parameter(path))
    }

    fn now(&self) -> Option<i64> {
        self.2.then(|| self.0.now())
    }

    fn remote_address(&self) -> Option<Scalar> {
        self.2.then(|| self.0.remote_address().map(Scalar::from).into())
    }

    fn call(&self, name: &str, arguments: &[Scalar]) -> Option<Scalar> {
        if self.2 { self.0.call(name, arguments) } else { None }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn parsing_what_was_printed_gives_the_same_expression(expression in expression()) {
        let text = expression.to_string();
        let parsed = parse(&text);
        prop_assert_eq!(parsed.as_ref(), Ok(&expression), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn text_made_of_the_grammars_pieces_is_read_or_refused_and_prints_the_same_again(
        pieces in vec(prop_oneof![
            Just("a"), Just("a.b"), Just("5"), Just("-"), Just("("), Just(")"), Just("{"), Just("}"), Just("'"), Just("\""),
            Just("\\u"), Just("d800"), Just(" "), Just("AND"), Just("NOT"), Just("LIKE"), Just("IS"), Just("NULL"),
            Just("CASE"), Just("WHEN"), Just("THEN"), Just("END"), Just("||"), Just("="), Just("<"), Just(","), Just("*"), Just("é"),
        ], 0..20)
    ) {
        if let Ok(expression) = parse(&pieces.concat()) {
            let printed = expression.to_string();
            prop_assert_eq!(parse(&printed), Ok(expression), "{}", printed);
        }
    }

    #[test]
    fn simplification_preserves_the_value(
        expression in expression(),
        (context, known) in parameters(),
        rest in any::<bool>(),
    ) {
        let simplified = expression.simplify(&Partly(&context, &known, rest));
        prop_assert_eq!(
            simplified.evaluate(&context),
            expression.evaluate(&context),
            "{} became {}", expression, simplified
        );
        // Doing it again finds nothing more.
        prop_assert_eq!(simplified.simplify(&Partly(&context, &known, rest)).to_string(), simplified.to_string());
    }

    #[test]
    fn when_all_is_known_a_literal_is_left(expression in expression(), (context, _) in parameters()) {
        struct Everything<'c>(&'c Parameters);
        impl Known for Everything<'_> {
            fn parameter(&self, path: &str) -> Option<Scalar> { Some(self.0.parameter(path)) }
            fn now(&self) -> Option<i64> { Some(self.0.now()) }
            fn remote_address(&self) -> Option<Scalar> { Some(self.0.remote_address().map(Scalar::from).into()) }
            fn call(&self, name: &str, arguments: &[Scalar]) -> Option<Scalar> {
                Some(self.0.call(name, arguments).into())
            }
        }
        let simplified = expression.simplify(&Everything(&context));
        prop_assert!(matches!(simplified, Expression::Literal(_)), "{} became {}", expression, simplified);
    }

    #[test]
    fn like_agrees_with_the_regular_expression(pattern in "[ab%_]{0,6}", text in "[ab\n]{0,8}") {
        let pattern = LikePattern::parse(&pattern, None);
        let translated = regex::Regex::new(&pattern.to_regex()).unwrap();
        prop_assert_eq!(pattern.matches(&text), translated.is_match(&text));
    }
}
